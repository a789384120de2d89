-- What became of the visits that began in [raw_from, raw_to); the definitions are in schemas/metrics.yaml. A visit counts
-- for channel, touchpoint and segment of its first touch. `share_intervals`, `groups`, `grouping`, `filters`,
-- `visits`: the files.
WITH
{share_intervals}
SELECT
    by_journey AS journey, by_stage AS stage, by_channel AS channel, by_touchpoint AS touchpoint, by_segment AS segment,
    entered, progressed, dropped, entered - progressed - dropped AS open, recovered,
    if(progressed + dropped = 0, NULL, progressed / (progressed + dropped)) AS conversion,
    progressed + dropped                          AS conversion_n,
    wilson_low(progressed, progressed + dropped)  AS conversion_low,
    wilson_high(progressed, progressed + dropped) AS conversion_high,
    if(dwell_n = 0, NULL, dwell[1]) AS dwell_ms_p50,
    if(dwell_n = 0, NULL, dwell[2]) AS dwell_ms_p95,
    dwell_n                         AS dwell_ms_n,
    entered - dwell_n               AS dwell_open
FROM
(
    WITH
        isNotNull(progressed_ms) AND ifNull(progressed_ms - entered_ms <= timeout_ms, true) AS in_time,
        NOT in_time AND ifNull(entered_ms + timeout_ms < {watermark_ms:Int64}, false) AS too_late
    SELECT
        {groups},
        toInt64(count())                                     AS entered,
        toInt64(countIf(in_time))                            AS progressed,
        toInt64(countIf(too_late))                           AS dropped,
        toInt64(countIf(too_late AND isNotNull(progressed_ms)))     AS recovered,
        toInt64(countIf(isNotNull(left_ms)))                        AS dwell_n,
        quantilesExactIf(0.5, 0.95)(assumeNotNull(left_ms) - entered_ms, isNotNull(left_ms)) AS dwell
    FROM ({visits})
    WHERE entered_ms >= {raw_from:Int64} AND entered_ms < {raw_to:Int64} AND {filters}
    GROUP BY {grouping}
)
