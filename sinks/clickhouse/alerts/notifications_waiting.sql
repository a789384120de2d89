-- By destination how many notifications of the last {days} it has not taken, and when the oldest of them was written.
SELECT destination, count() AS waiting, toUnixTimestamp64Milli(min(written_at)) AS oldest_ms
FROM
(
    SELECT key, written_at, toString(arrayJoin(destinations)) AS destination
    FROM alert_changes FINAL
    WHERE topic = {topic:String} AND written_at > now64(3) - toIntervalDay({days:UInt32})
)
WHERE (destination, key) NOT IN (SELECT toString(destination), key FROM alert_deliveries)
GROUP BY destination
ORDER BY destination
