-- The newest rows of a rolling window: their tick, and when they were written; zeros without any. `now_ms` is the clock
-- that wrote them. Milliseconds since 1970.
SELECT
    toUnixTimestamp64Milli(now64(3)) AS now_ms,
    max(newest_tick_ms)              AS tick_ms,
    max(newest_written_at_ms)        AS written_at_ms
FROM
(
    SELECT
        toUnixTimestamp64Milli(tick)       AS newest_tick_ms,
        toUnixTimestamp64Milli(written_at) AS newest_written_at_ms
    FROM stage_metrics
    WHERE topic = {topic:String} AND window = {window:String}
    ORDER BY topic DESC, window DESC, tick DESC, written_at DESC
    LIMIT 1
)
