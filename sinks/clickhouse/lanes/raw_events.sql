-- What panes count of the raw events of one lane from an offset on, by offset.
-- A row that was written again on a later day stands in two partitions: any one of the two will do.
SELECT
    log_offset, lane_clock, occurred_at, journey, stage, channel, touchpoint, segment,
    late, action, outcome, {event_numbers}, currency, instrument, replaced
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset >= {from_offset:UInt64}
ORDER BY log_offset
LIMIT 1 BY log_offset
