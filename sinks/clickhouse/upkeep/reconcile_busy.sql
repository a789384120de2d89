-- Touches of [from_ms, to_ms), of 10 s panes.
SELECT sum(touches) FROM stage_panes FINAL
WHERE resolution_s = 10
  AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND pane_start <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
