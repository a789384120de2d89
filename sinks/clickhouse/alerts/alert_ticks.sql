-- The complete ticks of a window in (after_ms, to_ms], the oldest first; the newest one only where newest_only is true.
SELECT toUnixTimestamp64Milli(tick) AS tick_ms
FROM stage_metrics
WHERE topic = {topic:String} AND window = {window:String} AND completeness = 1
  AND tick >  fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
  AND tick <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY tick
ORDER BY if({newest_only:Bool}, -tick_ms, tick_ms)
LIMIT if({newest_only:Bool}, 1, {most:UInt32})
