-- The currencies that people bought in, the most frequent first; when they first and last did (days since 1970), and
-- about how many did, an anonymous id counting as one more.
SELECT
    toString(currency) AS currency, uniq(customer_id, anonymous_id) AS buyers,
    toInt32(toDate32(min(occurred_at))) AS first_day, toInt32(toDate32(max(occurred_at))) AS last_day
FROM journey_touches FINAL
WHERE action = 'purchase' AND revenue_minor >= 0 AND {still_counts}
GROUP BY currency
ORDER BY count() DESC, currency
