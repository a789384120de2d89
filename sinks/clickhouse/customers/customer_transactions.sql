-- As clv_transactions.sql, for one person. `customer_touches`: the file.
SELECT known, person, toInt32(toDate32(fromUnixTimestamp64Milli(at_ms, 'UTC'))) AS day, sum(assumeNotNull(revenue_minor)) AS day_minor
FROM ({customer_touches})
WHERE action = 'purchase' AND revenue_minor >= 0 AND currency = {currency:String} AND day <= {until_day:Int32}
GROUP BY known, person, day
