-- A person's touches by channel, the most used first. `customer_touches`: the file.
SELECT
    toString(channel) AS channel, toInt64(count()) AS touches, min(at_ms) AS first_ms, max(at_ms) AS last_ms,
    count() OVER () AS total
FROM ({customer_touches})
GROUP BY channel
ORDER BY touches DESC, channel
LIMIT {most:UInt32}
