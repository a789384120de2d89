-- The newest round of `watch` in each namespace of a topic. Milliseconds since 1970, of ClickHouse's clock.
SELECT
    namespace, rules, step_ms, toUnixTimestamp64Milli(judged_to) AS judged_to_ms,
    toUnixTimestamp64Milli(written_at)  AS written_at_ms,
    toUnixTimestamp64Milli(now64(3))    AS now_ms
FROM watch_rounds
WHERE topic = {topic:String}
ORDER BY written_at DESC
LIMIT 1 BY namespace
