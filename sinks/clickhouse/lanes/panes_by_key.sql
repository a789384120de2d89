-- The panes of one lane that stand under given keys. The keys come along as an external table, for a parameter holds
-- 128 KiB on a ClickHouse server, and a thousand keys in it take ten times as long.
SELECT *
FROM stage_panes FINAL
WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
  AND (resolution_s, pane_start, journey, stage, channel, touchpoint, segment) IN
      (SELECT resolution_s, pane_start, journey, stage, channel, touchpoint, segment FROM pane_keys)
