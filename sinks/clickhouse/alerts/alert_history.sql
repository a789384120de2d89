-- Every change of one alert, the newest first, and who was told of it: (destination, outcome, when in milliseconds).
SELECT changes.*, deliveries_ AS deliveries
FROM
(
    SELECT {alert_columns}, key, destinations, written_at
    FROM alert_changes FINAL
    WHERE topic = {topic:String} AND namespace = {namespace:String} AND rule = {rule:String}
      AND group_key = {group_key:Array(Tuple(String, String))}
    ORDER BY tick_ms DESC, written_at DESC
    LIMIT {most:UInt32}
) AS changes
LEFT JOIN
(
    SELECT key AS key_, arraySort(groupArray((toString(destination), outcome, toUnixTimestamp64Milli(delivered_at)))) AS deliveries_
    FROM alert_deliveries FINAL
    WHERE key IN
    (
        SELECT key FROM alert_changes
        WHERE topic = {topic:String} AND namespace = {namespace:String} AND rule = {rule:String}
          AND group_key = {group_key:Array(Tuple(String, String))}
    )
    GROUP BY key
) AS told ON told.key_ = changes.key
ORDER BY tick_ms DESC, written_at DESC
