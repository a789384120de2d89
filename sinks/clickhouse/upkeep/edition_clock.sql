-- What a lane had seen below an offset: its clock and the highest time of an event (ms); 0 rows where nothing was.
SELECT toUnixTimestamp64Milli(max(lane_clock)), toUnixTimestamp64Milli(max(occurred_at))
FROM touchpoints
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset < {below:UInt64}
HAVING count() > 0
