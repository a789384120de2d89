-- The names that can be chosen from at one tick: journeys, and a journey's channels and segments; of each at most {most},
-- those with the most touches. `names` counts all of them.
WITH tick_rows AS
(
    SELECT dimensions, journey, channel, segment, touches
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
