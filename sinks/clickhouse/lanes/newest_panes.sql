-- The newest panes of one lane at one resolution, newest first. Not FINAL: read backwards along the key, it stops as
-- soon as it has enough, however many panes there are; of each pane the row with the highest log offset comes first.
SELECT *
FROM stage_panes
WHERE resolution_s = {resolution_s:UInt32} AND log_id = {log_id:String} AND partition = {partition:UInt32}
ORDER BY
    pane_start DESC, journey DESC, stage DESC, channel DESC, touchpoint DESC, segment DESC, log_offset DESC
LIMIT 1 BY pane_start, journey, stage, channel, touchpoint, segment
LIMIT {rows_max:UInt32}
