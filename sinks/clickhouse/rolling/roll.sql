-- Write what rolling windows say at their ticks: the metrics of [tick - window, tick) for the groups of rolling_sums.sql.
-- {windows} are the names of those in {cuts} (windows_panes.sql): planning this costs more than its rows, so all windows that
-- are due share it. Completeness is that of completeness.sql.
INSERT INTO stage_metrics
    (topic, window, tick, group_key, completeness, other_names, customers,
     touches, duplicates, late, nps, nps_n, nps_low,
     nps_high, csat, csat_n, csat_low, csat_high, csat_mean,
     csat_mean_n, csat_mean_low, csat_mean_high, ces, ces_n, ces_low,
     ces_high, ces_easy, ces_easy_n, ces_easy_low, ces_easy_high, success_rate,
     success_rate_n, success_rate_low, success_rate_high, duration_ms_p50, duration_ms_p95, duration_ms_p99,
     duration_ms_n, sentiment, sentiment_n, purchases, revenue_minor, revenue_minor_by_currency,
     average_order_minor, average_order_minor_n)
WITH (SELECT groupArray(watermark_ms) FROM ({lanes})) AS watermarks
SELECT
    {topic:String}, {windows:Array(String)}[cut], fromUnixTimestamp64Milli({cuts:Array(Array(Int64))}[cut][8], 'UTC'),
    group_key,
    if(empty(watermarks), 0, arrayCount(mark -> mark >= {cuts:Array(Array(Int64))}[cut][8], watermarks) / length(watermarks)),
    other_names, customers,
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
