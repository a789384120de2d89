-- The panes that lie in [from_ms, to_ms) as a whole, of lanes that are asked about. `flushed`: log_id, partition,
-- next_offset, sent along.
SELECT
    log_id, partition, resolution_s, toUnixTimestamp64Milli(pane_start) AS start_ms,
    journey, stage, channel, touchpoint, segment, log_offset, next_offset,
    {pane_measures}
FROM stage_panes FINAL
INNER JOIN flushed USING (log_id, partition)
WHERE pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND toUnixTimestamp64Milli(pane_start) + resolution_s * 1000 <= {to_ms:Int64}
  AND resolution_s IN (10, 300, 3600)
