-- Up to which tick each window was written complete, lately; not by lanes whose clocks were far ahead.
SELECT window, toUnixTimestamp64Milli(max(tick)) AS tick_ms
FROM stage_metrics
WHERE topic = {topic:String} AND completeness = 1 AND tick > now() - toIntervalDay(2)
  AND tick < now() + toIntervalHour(1)
GROUP BY window
