-- Of the complete ticks of a window in (after_ms, to_ms] the rows that can change an alert of a threshold: from a breach on to
-- the next row that is judged and none. {active}: groups with a breach before, and no such row since. `alert_groups`, `alert_reading`: the files.
SELECT tick_ms, journey, stage, channel, segment, value, n, low, high, groups
FROM
(
    SELECT
        *, count() OVER (PARTITION BY tick_ms) AS groups,
        last_value(nullIf(verdict, 0)) IGNORE NULLS OVER (
            PARTITION BY group_key ORDER BY tick_ms ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS judged_before
    FROM
    (
        SELECT
            toUnixTimestamp64Milli(tick) AS tick_ms, group_key, journey, stage, channel, segment,
            {alert_reading},
            multiIf(
                isNull(value) OR ({has_n:Bool} AND n < {min_n:UInt64}), 0,
                ({below:Bool} AND value < {bound:Float64}) OR (NOT {below:Bool} AND value > {bound:Float64}), 2, 1) AS verdict
        FROM stage_metrics FINAL
        WHERE topic = {topic:String} AND window = {window:String} AND completeness = 1
          AND tick > fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC') AND tick <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
          AND {alert_groups}
        ORDER BY tick, group_key
        LIMIT {most:UInt32} BY tick
    )
)
WHERE verdict = 2 OR ifNull(judged_before, has({active:Array(Array(Tuple(String, String)))}, group_key) ? 2 : 1) = 2
ORDER BY tick_ms, group_key
