-- The incidents of a topic that changed since a tick, each as it stood last, those that changed last first.
SELECT argMax(incident, (tick, written_at)) AS newest
FROM alert_changes FINAL
WHERE topic = {topic:String} AND tick >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND incident != ''
  AND (empty({namespaces:Array(String)}) OR has({namespaces:Array(String)}, namespace))
GROUP BY namespace, rule
ORDER BY max(tick) DESC, rule
LIMIT {most:UInt32}
