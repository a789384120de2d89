-- A person over all journeys; one row. `customer_touches`: the file.
SELECT
    toInt64(count()) AS touches,
    min(at_ms) AS first_ms, max(at_ms) AS last_ms,
    argMaxIf(toString(segment), (at_ms, event_id), segment != '') AS segment,
    toInt64(countIf(action = 'purchase')) AS purchases,
    toInt64(count(sentiment_micro)) AS sentiment_n,
    avg(sentiment_micro) / 1000000 AS sentiment_mean,
    argMaxIf(sentiment_micro, (at_ms, event_id), isNotNull(sentiment_micro)) / 1000000 AS sentiment_newest,
    maxIf(at_ms, isNotNull(sentiment_micro)) AS sentiment_newest_ms
FROM ({customer_touches})
