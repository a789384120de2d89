-- Raw events of [from_ms, to_ms) below where their lane was flushed, each once for each resolution, with the start of its
-- pane and its bucket in each sketch; without those that did not count any more there.
SELECT
    log_id, partition, log_offset, journey, stage, channel, touchpoint, segment, late, action, outcome,
    {event_numbers}, toString(currency) AS currency_code, instrument,
    resolution_s,
    toUnixTimestamp64Milli(occurred_at) - positiveModulo(toUnixTimestamp64Milli(occurred_at), resolution_s * 1000) AS start_ms,
    {sketch_buckets}
FROM touchpoints FINAL
INNER JOIN flushed USING (log_id, partition)
ARRAY JOIN [10, 300, 3600]::Array(UInt32) AS resolution_s
WHERE occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND log_offset < next_offset
  AND {still_counts_below}
