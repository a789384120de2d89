-- Duplicates have no raw events to be counted from; but every one is in a pane of each resolution. Where the shorter panes
-- of a longer one don't add up to it: which, and both sums. Only panes that have not gone on.
SELECT longer_s, longer_ms, journey, stage, channel, touchpoint, segment, log_id, partition,
       arrayFilter(one -> one.2 != one.3,
           [('duplicates', toString(of_longer), toString(of_shorter)),
            ('conflicting', toString(conflicting_longer), toString(conflicting_shorter))]) AS wrong
FROM
(
    SELECT
        log_id, partition, journey, stage, channel, touchpoint, segment, longer_s,
        start_ms - positiveModulo(start_ms, longer_s * 1000) AS longer_ms,
        sumIf(duplicates, resolution_s = longer_s)  AS of_longer,
        sumIf(duplicates, resolution_s != longer_s) AS of_shorter,
        sumIf(conflicting, resolution_s = longer_s)  AS conflicting_longer,
        sumIf(conflicting, resolution_s != longer_s) AS conflicting_shorter,
        max(log_offset >= next_offset) AS moved
    FROM ({reconcile_panes})
    ARRAY JOIN multiIf(resolution_s = 10, [300], resolution_s = 300, [300, 3600], [3600])::Array(UInt32) AS longer_s
    GROUP BY log_id, partition, journey, stage, channel, touchpoint, segment, longer_s, longer_ms
    HAVING longer_ms >= {from_ms:Int64} AND longer_ms + longer_s * 1000 <= {to_ms:Int64}
)
WHERE notEmpty(wrong) AND NOT moved
ORDER BY longer_s, longer_ms, journey, stage, channel, touchpoint, segment
LIMIT {examples_max:UInt32}
