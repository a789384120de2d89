-- The newest panes of one lane and resolution, at most so many.
SELECT *
FROM stage_panes FINAL
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND resolution_s = {resolution_s:UInt32}
ORDER BY pane_start DESC
LIMIT {rows_max:UInt32}
