-- The namespaces of a topic, the first one first.
SELECT namespace
FROM alert_namespaces
WHERE topic = {topic:String}
GROUP BY namespace
ORDER BY min(claimed_at), namespace
