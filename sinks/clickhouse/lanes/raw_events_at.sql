-- As raw_events.sql, at some offsets.
SELECT
    log_offset, lane_clock, occurred_at, journey, stage, channel, touchpoint, segment,
    late, action, outcome, {event_numbers}, currency, instrument, replaced
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset IN {offsets:Array(UInt64)}
ORDER BY log_offset
LIMIT 1 BY log_offset
