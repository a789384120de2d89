-- Identity and content of counted events of one lane in an offset range, by offset, whose lane clock is within the
-- duplicates' horizon.
-- A row that was written again on a later day stands in two partitions: any one of the two will do.
SELECT
    log_offset, lane_clock, event_id, source, channel, customer_id, anonymous_id, kafka_key,
    touchpoint, segment, action, outcome, currency, instrument,
    occurred_at, {event_numbers}
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
  AND log_offset >= {from_offset:UInt64} AND log_offset < {below_offset:UInt64}
  AND lane_clock >= fromUnixTimestamp64Milli({clock_from:Int64}, 'UTC')
ORDER BY log_offset
LIMIT 1 BY log_offset
LIMIT {rows_max:UInt32}
