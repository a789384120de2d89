-- Every log that a partition of a topic has had, the oldest first.
SELECT
    topic, partition, log_id, generation, next_offset,
    toUnixTimestamp64Milli(lane_clock)   AS lane_clock_ms,
    toUnixTimestamp64Milli(occurred_max) AS occurred_max_ms,
    toUnixTimestamp64Milli(watermark)    AS watermark_ms,
    definitions, predecessor_log_id, predecessor_next_offset,
    toUnixTimestamp64Milli(ids_since) AS ids_since_ms,
    ids_from, control_sequence, control_keys,
    toUnixTimestamp64Milli(written_at)   AS written_at_ms
FROM lanes FINAL
WHERE topic = {topic:String} AND (empty({partitions:Array(UInt32)}) OR has({partitions:Array(UInt32)}, partition))
ORDER BY partition, generation
