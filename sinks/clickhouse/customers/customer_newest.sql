-- A person's newest touches. `customer_touches`: the file.
SELECT at_ms, journey, stage, channel, touchpoint, action, outcome, revenue_minor, currency
FROM ({customer_touches})
ORDER BY at_ms DESC, event_id DESC
LIMIT {most:UInt32}
