-- Panes, computed anew from raw events: memory grows with panes, not with events. `reconcile_touches`:
-- reconcile_touches.sql.
SELECT
    log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment,
    max(log_offset)              AS last_offset,
    {recomputed_measures}
FROM ({reconcile_touches})
GROUP BY log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment
HAVING start_ms >= {from_ms:Int64} AND start_ms + resolution_s * 1000 <= {to_ms:Int64}
