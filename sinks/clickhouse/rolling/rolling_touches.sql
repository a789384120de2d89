-- How many touches the newest rows of each window in {windows} know, over all journeys; of windows of the last two days.
SELECT window, toInt64(sum(touches)) AS touches
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND length(group_key) = 1
  AND (window, tick) IN
  (
      SELECT window, max(tick)
      FROM stage_metrics
      WHERE topic = {topic:String} AND has({windows:Array(String)}, window) AND tick > now() - toIntervalDay(2)
      GROUP BY window
  )
GROUP BY window
