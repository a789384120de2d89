-- Of each alert of a namespace the oldest change that a destination has not been told of, whether it is the alert's newest, and
-- which one was before it; without those whose keys are `waiting` for their next try. One holds up its own alert only.
SELECT *
FROM
(
    SELECT *, toUnixTimestamp64Milli(since_before) AS since_before_ms
    FROM
    (
        SELECT
            {alert_columns}, key, destinations, written_at, toUnixTimestamp64Milli(written_at) AS written_at_ms,
            (tick, written_at) = max((tick, written_at)) OVER (PARTITION BY rule, group_key) AS is_newest,
            lagInFrame(key) OVER before AS key_before, lagInFrame(alert_changes.since) OVER before AS since_before
        FROM alert_changes FINAL
        WHERE topic = {topic:String} AND namespace = {namespace:String}
          AND written_at > now64(3) - toIntervalDay({days:UInt32})
          AND notEmpty(destinations)
        WINDOW before AS (PARTITION BY rule, group_key ORDER BY tick, written_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    WHERE has(destinations, {destination:String})
      AND key NOT IN (SELECT key FROM alert_deliveries WHERE destination = {destination:String})
    ORDER BY tick_ms, written_at, state DESC
    LIMIT 1 BY rule, journey, stage, channel, segment
)
WHERE NOT has({waiting:Array(String)}, key)
ORDER BY tick_ms, written_at, rule, journey, stage, channel, segment
LIMIT {most:UInt32}
