-- The newest rolling rows of one window. `group_filters`: the file.
SELECT * EXCEPT (topic, dimensions, group_key, written_at)
FROM stage_now
WHERE topic = {topic:String} AND window = {window:String} AND {group_filters}
ORDER BY journey NULLS FIRST, stage NULLS FIRST, channel NULLS FIRST, segment NULLS FIRST
