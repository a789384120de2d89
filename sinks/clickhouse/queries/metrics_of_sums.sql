-- Every metric of summed pane measures; the definitions and their sources are in schemas/metrics.yaml.
-- `sums`: any query with the columns of sums.sql. `intervals`: intervals.sql.
WITH
{intervals},
counts -> arraySum(arraySlice(counts, 10)) AS promoters,
counts -> arraySum(arraySlice(counts, 1, 7)) AS detractors,
-- Adjusted Wald (Rocks 2016): three answers more, three quarters of one each to promoters and detractors.
counts -> (promoters(counts) + 0.75) / (answers(counts) + 3) AS adjusted_promoters,
counts -> (detractors(counts) + 0.75) / (answers(counts) + 3) AS adjusted_detractors,
counts -> adjusted_promoters(counts) - adjusted_detractors(counts) AS adjusted_nps,
counts -> z * sqrt(
    (adjusted_promoters(counts) + adjusted_detractors(counts) - adjusted_nps(counts) * adjusted_nps(counts))
    / (answers(counts) + 3)) AS nps_margin,
-- Quantile of a DDSketch (Masson, Rim, Lee 2019): the first bucket with more than q (n - 1) values up to it, q in
-- per cent, so that the comparison is one of integers.
(sketch, percent) -> arrayFirst(
    (bucket, seen) -> 100 * seen > percent * (arraySum(mapValues(sketch)) - 1),
    arraySort(mapKeys(sketch)),
    arrayCumSum(arrayMap(bucket -> sketch[bucket], arraySort(mapKeys(sketch))))) AS bucket_at,
bucket -> if(bucket < 0, 0, 2 * pow(1.01 / 0.99, bucket) / (1.01 / 0.99 + 1)) AS milliseconds,
(sketch, percent) -> if(empty(sketch), NULL, milliseconds(bucket_at(sketch, percent))) AS duration_at,
sum_success + sum_failure + sum_abandoned AS ended
SELECT
    by_journey    AS journey,
    by_stage      AS stage,
    by_channel    AS channel,
    by_touchpoint AS touchpoint,
    by_segment    AS segment,

    sum_touches    AS touches,
    sum_duplicates AS duplicates,
    sum_late       AS late,

    if(answers(sum_nps) = 0, NULL, 100 * (promoters(sum_nps) - detractors(sum_nps)) / answers(sum_nps)) AS nps,
    answers(sum_nps) AS nps_n,
    if(answers(sum_nps) = 0, NULL, greatest(-100., 100 * (adjusted_nps(sum_nps) - nps_margin(sum_nps)))) AS nps_low,
    if(answers(sum_nps) = 0, NULL, least(100., 100 * (adjusted_nps(sum_nps) + nps_margin(sum_nps)))) AS nps_high,

    if(answers(sum_csat) = 0, NULL, 100 * arraySum(arraySlice(sum_csat, 4)) / answers(sum_csat)) AS csat,
    answers(sum_csat) AS csat_n,
    100 * wilson_low(arraySum(arraySlice(sum_csat, 4)), answers(sum_csat))  AS csat_low,
    100 * wilson_high(arraySum(arraySlice(sum_csat, 4)), answers(sum_csat)) AS csat_high,
    mean(sum_csat)      AS csat_mean,
    answers(sum_csat)   AS csat_mean_n,
    mean_low(sum_csat)  AS csat_mean_low,
    mean_high(sum_csat) AS csat_mean_high,

    mean(sum_ces)      AS ces,
    answers(sum_ces)   AS ces_n,
    mean_low(sum_ces)  AS ces_low,
    mean_high(sum_ces) AS ces_high,
    if(answers(sum_ces) = 0, NULL, 100 * arraySum(arraySlice(sum_ces, 5)) / answers(sum_ces)) AS ces_easy,
    answers(sum_ces)   AS ces_easy_n,
    100 * wilson_low(arraySum(arraySlice(sum_ces, 5)), answers(sum_ces))  AS ces_easy_low,
    100 * wilson_high(arraySum(arraySlice(sum_ces, 5)), answers(sum_ces)) AS ces_easy_high,

    if(ended = 0, NULL, sum_success / ended) AS success_rate,
    ended                                    AS success_rate_n,
    wilson_low(sum_success, ended)           AS success_rate_low,
    wilson_high(sum_success, ended)          AS success_rate_high,

    duration_at(sum_durations, 50)      AS duration_ms_p50,
    duration_at(sum_durations, 95)     AS duration_ms_p95,
    duration_at(sum_durations, 99)     AS duration_ms_p99,
    arraySum(mapValues(sum_durations))   AS duration_ms_n,

    if(sum_sentiment_n = 0, NULL, sum_sentiment_micro / 1000000 / sum_sentiment_n) AS sentiment,
    sum_sentiment_n AS sentiment_n,

    sum_purchases AS purchases,
    -- Never summed over currencies.
    multiIf(empty(sum_revenue), 0, length(sum_revenue) = 1, mapValues(sum_revenue)[1], NULL) AS revenue_minor,
    sum_revenue AS revenue_minor_by_currency,
    if(sum_purchases = 0 OR length(sum_purchase_revenue) != 1, NULL, mapValues(sum_purchase_revenue)[1] / sum_purchases)
        AS average_order_minor,
    sum_purchases AS average_order_minor_n
FROM ({sums})
