-- Dead letters at given places. `places`: log_id, partition, log_offset, sent along.
SELECT
    log_id, partition, log_offset, topic, toUnixTimestamp64Milli(record_at) AS record_at_ms, reason, detail,
    key, value, headers, toInt64(0) AS replayed_at_ms
FROM dead_letters FINAL
WHERE (log_id, partition, log_offset) IN (SELECT log_id, partition, log_offset FROM places)
  AND isNotNull(value) AND detail != 'erased'
