-- The names that can be chosen from at one tick: journeys, and a journey's channels and segments; of each at most {most},
-- those with the most touches. `names` counts all of them. Then, without names, how many have no rows of their own and are
-- counted as other: journeys and stages in all, channels and segments of the stage that has most.
WITH tick_rows AS
(
    SELECT dimensions, other, other_names, journey, channel, segment, touches
    FROM stage_metrics FINAL
    WHERE topic = {topic:String} AND window = {window:String}
      AND tick = fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
)
SELECT dimension, name, count() OVER (PARTITION BY dimension) AS names
FROM
(
    SELECT 'journey' AS dimension, journey AS name, sum(touches) AS name_touches
    FROM tick_rows WHERE dimensions = ['journey'] GROUP BY name
    UNION ALL
    SELECT 'channel', channel, sum(touches)
    FROM tick_rows WHERE journey = {journey:String} AND dimensions = ['journey', 'stage', 'channel'] GROUP BY channel
    UNION ALL
    SELECT 'segment', segment, sum(touches)
    FROM tick_rows WHERE journey = {journey:String} AND dimensions = ['journey', 'stage', 'segment'] GROUP BY segment
)
ORDER BY dimension, name_touches DESC, name
LIMIT {most:UInt32} BY dimension
UNION ALL
SELECT dimensions[-1] AS dimension, NULL, max(other_names)
FROM tick_rows
WHERE other_names > 0 AND length(other) = 1
  AND (dimensions = ['journey_other']
    OR (journey = {journey:String} AND (dimensions = ['journey', 'stage_other'] OR (length(dimensions) = 3 AND dimensions[2] = 'stage'))))
GROUP BY dimension
