-- Since when raw rows have been inserted of which none is past its retention yet (milliseconds since 1970), and whether any
-- can be: where the tables are younger than the retention, none is. Half a day is left for clocks and for rows in flight.
WITH
    toInt64OrZero(extract(create_table_query, 'TTL inserted_at \\+ toIntervalDay\\((\\d+)\\)')) AS days
SELECT
    toUnixTimestamp64Milli(now64(3)) - days * 86400000 + 43200000 AS kept_since_ms,
    (SELECT min(toUnixTimestamp64Milli(applied_at)) FROM schema_migrations) AS made_ms
FROM system.tables
WHERE database = currentDatabase() AND name = 'touchpoints'
