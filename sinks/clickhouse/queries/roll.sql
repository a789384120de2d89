-- Write what one rolling window says at a tick: the metrics of [tick - window, tick) for the groups of rolling_sums.sql.
INSERT INTO stage_metrics
    (topic, window, tick, journey, stage, channel, segment, completeness, customers,
     touches, duplicates, late, nps, nps_n, nps_low,
     nps_high, csat, csat_n, csat_low, csat_high, csat_mean,
     csat_mean_n, csat_mean_low, csat_mean_high, ces, ces_n, ces_low,
     ces_high, ces_easy, ces_easy_n, ces_easy_low, ces_easy_high, success_rate,
     success_rate_n, success_rate_low, success_rate_high, duration_ms_p50, duration_ms_p95, duration_ms_p99,
     duration_ms_n, sentiment, sentiment_n, purchases, revenue_minor, revenue_minor_by_currency,
     average_order_minor, average_order_minor_n)
SELECT
    {topic:String}, {window:String}, fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC'),
    journey, stage, channel, segment,
    (SELECT completeness FROM ({completeness})),
    -- Nobody is in a window of which nothing is known, where customers are counted at all.
    if({with_customers:Bool}, ifNull(people.customers, 0), NULL),
    touches, duplicates, late, nps, nps_n, nps_low,
    nps_high, csat, csat_n, csat_low, csat_high, csat_mean,
    csat_mean_n, csat_mean_low, csat_mean_high, ces, ces_n, ces_low,
    ces_high, ces_easy, ces_easy_n, ces_easy_low, ces_easy_high, success_rate,
    success_rate_n, success_rate_low, success_rate_high, duration_ms_p50, duration_ms_p95, duration_ms_p99,
    duration_ms_n, sentiment, sentiment_n, purchases, revenue_minor, revenue_minor_by_currency,
    average_order_minor, average_order_minor_n
FROM ({metrics_of_sums}) AS metrics
LEFT JOIN ({rolling_customers}) AS people
    ON journey = journey_ AND stage = stage_ AND channel = channel_ AND segment = segment_
-- Compiled expressions pay off over millions of rows; here they are hundreds, and planned every second.
SETTINGS join_use_nulls = 1, compile_expressions = 0
