-- Up to which tick each window was written complete, lately.
SELECT window, toUnixTimestamp64Milli(max(tick)) AS tick_ms
FROM stage_metrics
WHERE topic = {topic:String} AND completeness = 1 AND tick > now() - toIntervalDay(2)
GROUP BY window
