-- The newest counted event of each channel, of those written in the last day: its partitions are all that is read.
SELECT
    channel,
    count() AS events,
    argMax(touchpoint, (record_at, partition, log_offset)) AS touchpoint,
    argMax(event_id, (record_at, partition, log_offset)) AS event_id,
    toUnixTimestamp64Milli(max(record_at)) AS recorded_ms,
    toUnixTimestamp64Milli(argMax(occurred_at, (record_at, partition, log_offset))) AS occurred_ms
FROM touchpoints FINAL
WHERE inserted_at >= now() - INTERVAL 1 DAY
GROUP BY channel
ORDER BY recorded_ms DESC, channel
LIMIT {most:UInt32}
