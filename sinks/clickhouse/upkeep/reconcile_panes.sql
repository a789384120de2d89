-- The panes that lie in [from_ms, to_ms) as a whole, of lanes that are asked about. `flushed`: log_id, partition,
-- next_offset, sent along.
SELECT
    log_id, partition, resolution_s, toUnixTimestamp64Milli(pane_start) AS start_ms,
    journey, stage, channel, touchpoint, segment, log_offset, next_offset, duplicates, conflicting,
    touches, late, success, failure, abandoned, purchases, duration_n, duration_sum_ms, sentiment_n, sentiment_sum_micro,
    nps_counts, csat_counts, ces_counts, duration_sketch,
    CAST(stage_panes.revenue_minor_by_currency, 'Map(String, Int64)')          AS revenue_minor_by_currency,
    CAST(stage_panes.purchase_revenue_minor_by_currency, 'Map(String, Int64)') AS purchase_revenue_minor_by_currency
FROM stage_panes FINAL
INNER JOIN flushed USING (log_id, partition)
WHERE pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND toUnixTimestamp64Milli(pane_start) + resolution_s * 1000 <= {to_ms:Int64}
  AND resolution_s IN (10, 300, 3600)
