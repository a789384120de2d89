-- Panes, computed anew from raw events: memory grows with panes, not with events. `reconcile_touches`:
-- reconcile_touches.sql.
SELECT
    log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment,
    max(log_offset)              AS last_offset,
    toInt64(count())             AS touches,
    toInt64(countIf(late))       AS late,
    toInt64(countIf(outcome = 'success'))   AS success,
    toInt64(countIf(outcome = 'failure'))   AS failure,
    toInt64(countIf(outcome = 'abandoned')) AS abandoned,
    toInt64(countIf(action = 'purchase'))   AS purchases,
    toInt64(count(duration_ms))  AS duration_n,
    ifNull(sum(duration_ms), 0)  AS duration_sum_ms,
    toInt64(count(sentiment_micro))  AS sentiment_n,
    ifNull(sum(sentiment_micro), 0)  AS sentiment_sum_micro,
    [countIf(nps = 0), countIf(nps = 1), countIf(nps = 2), countIf(nps = 3), countIf(nps = 4),
     countIf(nps = 5), countIf(nps = 6), countIf(nps = 7), countIf(nps = 8), countIf(nps = 9),
     countIf(nps = 10)]::Array(Int64) AS nps_counts,
    [countIf(csat = 1), countIf(csat = 2), countIf(csat = 3), countIf(csat = 4), countIf(csat = 5)]::Array(Int64) AS csat_counts,
    [countIf(ces = 1), countIf(ces = 2), countIf(ces = 3), countIf(ces = 4), countIf(ces = 5),
     countIf(ces = 6), countIf(ces = 7)]::Array(Int64) AS ces_counts,
    sumMapIf(map(bucket, toInt64(1)), isNotNull(duration_ms)) AS duration_sketch,
    sumMapIf(map(currency_code, ifNull(revenue_minor, 0)), isNotNull(revenue_minor)) AS revenue_minor_by_currency,
    sumMapIf(map(currency_code, ifNull(revenue_minor, 0)), isNotNull(revenue_minor) AND action = 'purchase')
        AS purchase_revenue_minor_by_currency
FROM ({reconcile_touches})
GROUP BY log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment
HAVING start_ms >= {from_ms:Int64} AND start_ms + resolution_s * 1000 <= {to_ms:Int64}
