-- Each person in a journey: active when [raw_from, raw_to) begins, lost in it, active when it ends or at the watermark.
-- `touches`, `stages_in_force`: the files.
WITH
    9223372036854775807 AS never,
    least({raw_to:Int64}, {watermark_ms:Int64}) AS now_ms,
    arraySort(groupUniqArray((at_ms, event_id, action = 'unsubscribe', toString(segment)))) AS said,
    arrayPushBack(arrayPopFront(said.1), never) AS nexts,
    any(lost_after_ms) AS silence_ms,
    -- Until when a touch keeps a customer.
    arrayMap(touch -> multiIf(touch.3, touch.1, silence_ms > 0, touch.1 + silence_ms, never), said) AS untils,
    arrayLast((until, at) -> at < {raw_from:Int64}, untils, said.1) AS until_before,
    arrayLast((until, at) -> at <= now_ms, untils, said.1)          AS until_now
SELECT
    journey, known, person,
    arrayLast(touch -> touch.4 != '' AND touch.1 < {raw_from:Int64}, said).4 AS segment_before,
    arrayLast(touch -> touch.4 != '' AND touch.1 <= now_ms, said).4          AS segment_now,
    said[1].1 < {raw_from:Int64} AS touched_before,
    said[1].1 <= now_ms AS touched_by_now,
    touched_before AND until_before >= {raw_from:Int64} AS active_before,
    arrayExists(
        (until, next) -> until <= next AND until >= {raw_from:Int64} AND until < {raw_to:Int64}
                         AND until <= {watermark_ms:Int64},
        untils, nexts) AS lost_in_it,
    touched_by_now AND until_now > now_ms AS active_now
FROM ({touches}) AS touched
LEFT ANY JOIN
    (SELECT journey, any(ifNull(lost_after_ms, 0)) AS lost_after_ms FROM ({stages_in_force}) GROUP BY journey) AS way
    ON touched.journey = way.journey
WHERE empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey)
GROUP BY journey, known, person
