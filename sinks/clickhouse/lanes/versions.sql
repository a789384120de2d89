-- Counted events of one lane that have one of some ids as event_id or amend it, by offset, counted since a lane clock: what
-- panes count of them, and which answer each is a version of. Two searches, each with an index of its own.
-- A row that was written again on a later day stands in two partitions: any one of the two will do.
SELECT
    event_id, source, customer_id, anonymous_id, kafka_key, amends,
    log_offset, lane_clock, occurred_at, journey, stage, channel, touchpoint, segment,
    late, action, outcome, {event_numbers}, currency, instrument, replaced
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset < {below_offset:UInt64}
  AND lane_clock >= fromUnixTimestamp64Milli({clock_from:Int64}, 'UTC')
  AND log_offset IN
  (
      SELECT log_offset FROM touchpoints
      WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND event_id IN {event_ids:Array(String)}
      UNION ALL
      SELECT log_offset FROM touchpoints
      WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND amends IN {event_ids:Array(String)}
  )
ORDER BY log_offset
LIMIT 1 BY log_offset
