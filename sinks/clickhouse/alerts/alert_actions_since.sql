-- What people did about a topic's alerts since an instant, the oldest first; with the silences that end after it.
SELECT
    kind, id, toUnixTimestamp64Milli(at) AS at_ms, namespaces, rule, group_key,
    toUnixTimestamp64Milli(since) AS since_ms, toUnixTimestamp64Milli(until) AS until_ms, by, reason
FROM alert_actions FINAL
WHERE topic = {topic:String}
  AND greatest(at, until) >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
ORDER BY at, kind, id
LIMIT {most:UInt32}
