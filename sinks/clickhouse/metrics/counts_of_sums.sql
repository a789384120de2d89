-- What the formulas of metrics_of_sums.sql need of the summed histograms and sketches, each once. `pane_sums`: the file.
WITH
counts -> arraySum((count_, answer) -> count_ * answer, counts, arrayEnumerate(counts)) AS total,
counts -> arraySum((count_, answer) -> count_ * answer * answer, counts, arrayEnumerate(counts)) AS squares
SELECT
    by_place, by_journey, by_stage, by_channel, by_touchpoint, by_segment,
    sum_touches, sum_duplicates, sum_conflicting, sum_late, sum_success, sum_purchases, sum_sentiment_n, sum_sentiment_micro,
    sum_revenue, sum_purchase_revenue,
    sum_success + sum_failure + sum_abandoned    AS ended,
    arraySum(sum_nps)                            AS nps_answers,
    arraySum(arraySlice(sum_nps, 10))            AS promoters,
    arraySum(arraySlice(sum_nps, 1, 7))          AS detractors,
    (promoters + 0.75) / (nps_answers + 3)       AS adjusted_promoters,
    (detractors + 0.75) / (nps_answers + 3)      AS adjusted_detractors,
    adjusted_promoters - adjusted_detractors     AS adjusted_nps,
    arraySum(sum_csat)                           AS csat_answers,
    arraySum(arraySlice(sum_csat, 4))            AS csat_top,
    total(sum_csat)                              AS csat_total,
    squares(sum_csat)                            AS csat_squares,
    arraySum(sum_ces)                            AS ces_answers,
    arraySum(arraySlice(sum_ces, 5))             AS ces_top,
    total(sum_ces)                               AS ces_total,
    squares(sum_ces)                             AS ces_squares,
    arraySort(mapKeys(sum_durations))            AS buckets,
    arrayCumSum(arraySort((count_, bucket) -> bucket, mapValues(sum_durations), mapKeys(sum_durations))) AS seen,
    arraySum(mapValues(sum_durations))           AS durations,
    arrayMap(
        percent -> arrayFirst((bucket, seen_) -> 100 * seen_ > percent * (durations - 1), buckets, seen), [50, 95, 99])
        AS duration_buckets
FROM ({pane_sums})
