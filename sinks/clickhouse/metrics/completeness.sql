-- The share of a topic's lanes that have passed the interval's end, 0 without lanes. `lanes`: lanes.sql.
-- An interval without an end ends where the log does, and event time can't tell how far a lane has read: there a lane
-- counts when its clock (the newest record that it has applied) is at most a minute behind the topic's newest record.
WITH lane AS ({lanes})
SELECT
    if(count() = 0, 0, countIf(if(
        {open_ended:Bool},
        lane_clock_ms >= (SELECT max(lane_clock_ms) FROM lane) - 60000,
        watermark_ms >= {raw_to:Int64})) / count()) AS completeness,
    count() AS completeness_n
FROM lane
