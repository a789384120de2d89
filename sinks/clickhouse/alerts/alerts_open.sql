-- The alerts of a namespace that fire, as they were when they began to, and when and how that was delivered to a destination;
-- those that began first, first. An outcome that is empty: it was not.
SELECT change.*, outcome, delivered_at_ms
FROM
(
    SELECT {alert_columns}, key, toUnixTimestamp64Milli(written_at) AS written_at_ms
    FROM alert_changes FINAL
    WHERE topic = {topic:String} AND namespace = {namespace:String} AND notEmpty(destinations)
      AND written_at > now64(3) - toIntervalDay({days:UInt32})
    ORDER BY tick DESC, written_at DESC, state
    LIMIT 1 BY rule, group_key
) AS change
LEFT JOIN
(
    SELECT key, argMax(outcome, delivered_at) AS outcome, toUnixTimestamp64Milli(max(delivered_at)) AS delivered_at_ms
    FROM alert_deliveries
    WHERE destination = {destination:String}
    GROUP BY key
) AS delivery USING key
WHERE state = 'firing'
ORDER BY written_at_ms, rule, key
LIMIT {most:UInt32}
