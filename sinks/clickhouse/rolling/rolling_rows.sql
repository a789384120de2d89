-- Rolling rows of one window from the view stage_now or stage_complete. `group_filters`: the file.
SELECT * EXCEPT (topic, dimensions, group_key, written_at)
FROM {view:Identifier}
WHERE topic = {topic:String} AND window = {window:String} AND {group_filters}
ORDER BY journey NULLS FIRST, stage NULLS FIRST, channel NULLS FIRST, segment NULLS FIRST
