-- One metric at ticks of a window, complete ones, in the groups that a rule looks at. `alert_groups`, `alert_reading`: the files.
SELECT
    toUnixTimestamp64Milli(tick) AS tick_ms, journey, stage, channel, segment,
    {alert_reading}
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND window = {window:String} AND completeness = 1
  AND has({ticks:Array(Int64)}, toUnixTimestamp64Milli(tick))
  AND tick >= fromUnixTimestamp64Milli(arrayMin({ticks:Array(Int64)}), 'UTC')
  AND tick <= fromUnixTimestamp64Milli(arrayMax({ticks:Array(Int64)}), 'UTC')
  AND {alert_groups}
ORDER BY tick, group_key
LIMIT {most:UInt32} BY tick
