-- Changes of a topic's alerts, the newest first; an empty list keeps all namespaces or states.
SELECT {alert_columns}
FROM alert_changes FINAL
WHERE topic = {topic:String} AND tick >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND (empty({namespaces:Array(String)}) OR has({namespaces:Array(String)}, namespace))
  AND (empty({states:Array(String)}) OR has({states:Array(String)}, state))
ORDER BY tick DESC, written_at DESC, rule, group_key
LIMIT {most:UInt32}
