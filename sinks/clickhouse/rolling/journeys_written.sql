-- When each window's journeys were last written, by whichever worker led then.
SELECT window, toUnixTimestamp64Milli(max(written_at)) AS written_at_ms
FROM journey_metrics
WHERE topic = {topic:String} AND tick > now() - toIntervalDay(2)
GROUP BY window
