-- What a person has brought to date, by currency: net, returns being negative. `customer_touches`: the file.
SELECT
    toString(currency) AS currency,
    toInt64(countIf(action = 'purchase')) AS purchases,
    toInt64(sum(revenue_minor)) AS clv_minor,
    if(purchases = 0, NULL, sumIf(revenue_minor, action = 'purchase') / purchases) AS average_order_minor,
    count() OVER () AS total
FROM ({customer_touches})
WHERE isNotNull(revenue_minor)
GROUP BY currency
ORDER BY count() DESC, currency
LIMIT {most:UInt32}
