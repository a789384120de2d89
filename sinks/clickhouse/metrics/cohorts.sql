-- The visits of [raw_from, raw_to), counted by groups. `groups`, `grouping`, `filters`, `visits`, `visit_decided`: the files.
WITH
{visit_decided},
-- What the estimate may know: nothing beyond the watermark.
goes_on AND entered_ms <= {watermark_ms:Int64} AS watched,
watched AND in_time AND ifNull(progressed_ms <= {watermark_ms:Int64}, false) AS went_on
SELECT
    {groups},
    toInt64(count())                                     AS entered,
    toInt64(countIf(visit = 1))                          AS entered_first,
    toInt64(countIf(in_time))                            AS progressed,
    toInt64(countIf(decided))                            AS decided_n,
    toInt64(countIf(decided AND in_time))                AS converted,
    decided_n - converted                                AS dropped,
    toInt64(countIf(decided AND NOT in_time AND isNotNull(progressed_ms))) AS recovered,
    countIf(goes_on)                                     AS going,
    countIf(goes_on AND isNotNull(timeout_ms))           AS timed,
    toInt64(countIf(watched))                            AS watched_n,
    maxIf(least({watermark_ms:Int64} - entered_ms, ifNull(timeout_ms, 9223372036854775807)), watched) AS watched_ms,
    arraySort(groupArrayIf(
        if(went_on, 2 * (assumeNotNull(progressed_ms) - entered_ms), 2 * ({watermark_ms:Int64} - entered_ms) + 1),
        went_on OR watched AND NOT decided))             AS ends,
    toInt64(countIf(isNotNull(left_ms)))                 AS dwell_n,
    quantilesExactIf(0.5, 0.95)(assumeNotNull(left_ms) - entered_ms, isNotNull(left_ms)) AS dwell
FROM ({visits})
WHERE entered_ms >= {raw_from:Int64} AND entered_ms < {raw_to:Int64} AND {filters}
GROUP BY {grouping}
