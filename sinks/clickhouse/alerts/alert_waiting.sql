-- The complete ticks of windows behind an instant of each (`after_ms`, in the order of `windows`), the oldest first.
SELECT window, toUnixTimestamp64Milli(tick) AS tick_ms
FROM stage_metrics
WHERE topic = {topic:String} AND has({windows:Array(String)}, window) AND completeness = 1
  AND tick > fromUnixTimestamp64Milli(arrayMin({after_ms:Array(Int64)}), 'UTC')
  AND toUnixTimestamp64Milli(tick) > {after_ms:Array(Int64)}[indexOf({windows:Array(String)}, window)]
GROUP BY window, tick
ORDER BY window, tick
LIMIT {most:UInt32} BY window
