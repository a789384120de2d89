-- A person's answers to surveys, the newest first. `customer_touches`: the file.
SELECT at_ms, answer.1 AS metric, assumeNotNull(answer.2) AS score, journey, stage, channel, touchpoint, count() OVER () AS total
FROM ({customer_touches})
ARRAY JOIN [('nps', nps), ('csat', csat), ('ces', ces)] AS answer
WHERE isNotNull(answer.2)
ORDER BY at_ms DESC, event_id DESC, metric
LIMIT {most:UInt32}
