-- Customers of a journey who were active at raw_from, and how many of them were lost in [raw_from, raw_to), as far as the
-- watermark tells. Lost: an unsubscribe, or a silence of the journey's lost_after, at its end. Another touch makes them
-- active again. `share_intervals`, `touches`, `stages_in_force`: the files.
WITH
{share_intervals}
SELECT
    journey,
    active_before                         AS churn_rate_n,
    if(active_before = 0, NULL, lost / active_before) AS churn_rate,
    wilson_low(lost, active_before)       AS churn_rate_low,
    wilson_high(lost, active_before)      AS churn_rate_high,
    lost, active
FROM
(
    SELECT
        journey,
        toInt64(countIf(was_active))                AS active_before,
        toInt64(countIf(was_active AND was_lost))   AS lost,
        toInt64(countIf(is_active))                 AS active
    FROM
    (
        WITH
            9223372036854775807 AS never,
            least({raw_to:Int64}, {watermark_ms:Int64}) AS now_ms,
            arraySort(groupUniqArray((at_ms, event_id, action = 'unsubscribe'))) AS said,
            arrayPushBack(arrayPopFront(said.1), never) AS nexts,
            any(lost_after_ms) AS silence_ms,
            -- Until when a touch keeps a customer.
            arrayMap(touch -> multiIf(touch.3, touch.1, silence_ms > 0, touch.1 + silence_ms, never), said) AS untils,
            arrayLast((until, at) -> at < {raw_from:Int64}, untils, said.1) AS until_before,
            arrayLast((until, at) -> at <= now_ms, untils, said.1)          AS until_now
        SELECT
            journey, known, person,
            said[1].1 < {raw_from:Int64} AND until_before >= {raw_from:Int64} AS was_active,
            arrayExists(
                (until, next) -> until < next AND until >= {raw_from:Int64} AND until < {raw_to:Int64}
                                 AND until <= {watermark_ms:Int64},
                untils, nexts) AS was_lost,
            said[1].1 <= now_ms AND until_now > now_ms AS is_active
        FROM ({touches}) AS touched
        LEFT ANY JOIN
            (SELECT journey, any(ifNull(lost_after_ms, 0)) AS lost_after_ms FROM ({stages_in_force}) GROUP BY journey) AS way
            ON touched.journey = way.journey
        WHERE empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey)
        GROUP BY journey, known, person
    )
    GROUP BY journey
)
