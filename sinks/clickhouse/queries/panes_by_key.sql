-- The panes of one lane that stand under given keys; the keys come along as the external table pane_keys.
SELECT *
FROM stage_panes FINAL
WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
  AND (resolution_s, pane_start, journey, stage, channel, touchpoint, segment) IN
      (SELECT resolution_s, pane_start, journey, stage, channel, touchpoint, segment FROM pane_keys)
