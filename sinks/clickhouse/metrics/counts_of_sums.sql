-- What the formulas of metrics_of_sums.sql need of the summed histograms and sketches, each once. `pane_sums`: the file.
WITH
counts -> arraySum((count_, answer) -> count_ * answer, counts, arrayEnumerate(counts)) AS total,
counts -> arraySum((count_, answer) -> count_ * answer * answer, counts, arrayEnumerate(counts)) AS squares
SELECT
    by_place, by_journey, by_stage, by_channel, by_touchpoint, by_segment,
    {sums_that_are_passed_on},
    sum_success + sum_failure + sum_abandoned    AS ended,
    arraySum(sum_nps_counts)                     AS nps_answers,
    arraySum(arraySlice(sum_nps_counts, 10))     AS promoters,
    arraySum(arraySlice(sum_nps_counts, 1, 7))   AS detractors,
    (promoters + 0.75) / (nps_answers + 3)       AS adjusted_promoters,
    (detractors + 0.75) / (nps_answers + 3)      AS adjusted_detractors,
    adjusted_promoters - adjusted_detractors     AS adjusted_nps,
    arraySum(sum_csat_counts)                    AS csat_answers,
    arraySum(arraySlice(sum_csat_counts, 4))     AS csat_top,
    total(sum_csat_counts)                       AS csat_total,
    squares(sum_csat_counts)                     AS csat_squares,
    arraySum(sum_ces_counts)                     AS ces_answers,
    arraySum(arraySlice(sum_ces_counts, 5))      AS ces_top,
    total(sum_ces_counts)                        AS ces_total,
    squares(sum_ces_counts)                      AS ces_squares,
    {quantile_counts}
FROM ({pane_sums})
