-- Counted events of one lane below an offset that amend an answer, by offset, counted since a lane clock.
SELECT log_offset, lane_clock, event_id, source, channel, customer_id, anonymous_id, kafka_key, amends
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset < {below_offset:UInt64}
  AND lane_clock >= fromUnixTimestamp64Milli({clock_from:Int64}, 'UTC') AND amends != ''
ORDER BY log_offset
LIMIT 1 BY log_offset
