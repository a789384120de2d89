-- Raw events of [from_ms, to_ms) that stand behind where their log was left for the next one, which doesn't know that they
-- count. `flushed`: such logs, with where each was left.
SELECT count() AS events
FROM touchpoints FINAL
INNER JOIN flushed USING (log_id, partition)
WHERE log_offset >= next_offset
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
