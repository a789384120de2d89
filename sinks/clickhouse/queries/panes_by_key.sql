-- The panes of one lane that stand under given keys: tuples of resolution, start in milliseconds, and the five names.
SELECT *
FROM stage_panes FINAL
WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
  AND (resolution_s, pane_start, journey, stage, channel, touchpoint, segment) IN
  (
      SELECT key.1, fromUnixTimestamp64Milli(key.2, 'UTC'), key.3, key.4, key.5, key.6, key.7
      FROM (SELECT arrayJoin({keys:Array(Tuple(UInt32, Int64, String, String, String, String, String))}) AS key)
  )
