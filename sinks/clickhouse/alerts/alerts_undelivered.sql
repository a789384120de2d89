-- Changes that a destination has not been told of, the oldest first.
SELECT {alert_columns}
FROM alert_changes FINAL
WHERE topic = {topic:String}
  AND written_at > now64(3) - toIntervalDay({days:UInt32})
  AND has(destinations, {destination:String})
  AND key NOT IN (SELECT key FROM alert_deliveries WHERE destination = {destination:String})
ORDER BY tick, written_at, rule, group_key
LIMIT {most:UInt32}
