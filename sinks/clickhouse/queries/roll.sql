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
    customers,
    touches, duplicates, late, nps, nps_n, nps_low,
    nps_high, csat, csat_n, csat_low, csat_high, csat_mean,
    csat_mean_n, csat_mean_low, csat_mean_high, ces, ces_n, ces_low,
    ces_high, ces_easy, ces_easy_n, ces_easy_low, ces_easy_high, success_rate,
    success_rate_n, success_rate_low, success_rate_high, duration_ms_p50, duration_ms_p95, duration_ms_p99,
    duration_ms_n, sentiment, sentiment_n, purchases, revenue_minor, revenue_minor_by_currency,
    average_order_minor, average_order_minor_n
FROM ({rolling_measured})
-- Compiled expressions pay off over millions of rows; here they are hundreds, and planned every second.
SETTINGS compile_expressions = 0
