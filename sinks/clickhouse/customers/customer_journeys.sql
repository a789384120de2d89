-- A person in each journey, the newest first. lost_ms: since when the person is lost as of the watermark, null if not: by
-- an unsubscribe, or a silence of the journey's lost_after, as churn.sql has it. `customer_touches`, `stages_in_force`:
-- the files.
SELECT
    journey, first_ms, last_ms, touches,
    if(judged = 0 OR until_ms > {watermark_ms:Int64}, NULL, until_ms) AS lost_ms,
    count() OVER () AS total
FROM
(
    WITH
        argMaxIf((at_ms, toString(action)), (at_ms, event_id), at_ms <= {watermark_ms:Int64}) AS newest,
        any(lost_after_ms) AS silence_ms
    SELECT
        touched.journey AS journey, min(at_ms) AS first_ms, max(at_ms) AS last_ms, toInt64(count()) AS touches,
        countIf(at_ms <= {watermark_ms:Int64}) AS judged,
        multiIf(newest.2 = 'unsubscribe', newest.1, silence_ms > 0, newest.1 + silence_ms, 9223372036854775807) AS until_ms
    FROM ({customer_touches}) AS touched
    LEFT ANY JOIN
        (SELECT journey, any(ifNull(lost_after_ms, 0)) AS lost_after_ms FROM ({stages_in_force}) GROUP BY journey) AS way
        ON touched.journey = way.journey
    GROUP BY journey
)
ORDER BY last_ms DESC, journey
LIMIT {most:UInt32}
