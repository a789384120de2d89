-- The touches of [from_ms, to_ms), in whole hours, by lane.
SELECT partition, toInt64(sum(touches)) AS touches
FROM stage_panes FINAL
WHERE resolution_s = 3600
  AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND pane_start < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY partition
ORDER BY partition
