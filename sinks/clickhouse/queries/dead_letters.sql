-- The newest dead letters, of one reason or of all (an empty list).
SELECT
    log_id, partition, log_offset, topic, toUnixTimestamp64Milli(record_at) AS record_at_ms, reason, detail,
    key, value, headers
FROM dead_letters FINAL
WHERE empty({reasons:Array(String)}) OR has({reasons:Array(String)}, reason)
ORDER BY record_at DESC, log_id, partition, log_offset DESC
LIMIT {limit:UInt32}
