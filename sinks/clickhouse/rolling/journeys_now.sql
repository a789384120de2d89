-- The newest rows of one window, by journey and stage.
SELECT * EXCEPT (topic, window, dimensions, group_key, written_at)
FROM journey_now
WHERE topic = {topic:String} AND window = {window:String}
ORDER BY journey, stage NULLS FIRST
