-- The alerts of a topic as they stand; an empty list keeps all namespaces, rules or states.
SELECT {alert_columns}
FROM alerts FINAL
WHERE topic = {topic:String}
  AND (empty({namespaces:Array(String)}) OR has({namespaces:Array(String)}, namespace))
  AND (empty({rules:Array(String)}) OR has({rules:Array(String)}, rule))
  AND (empty({states:Array(String)}) OR has({states:Array(String)}, state))
ORDER BY since DESC, rule, group_key
LIMIT {most:UInt32}
