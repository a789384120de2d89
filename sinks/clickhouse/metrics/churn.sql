-- Customers who were active at raw_from, and how many of them were lost in [raw_from, raw_to), as far as the watermark
-- tells, by journey and segment where `by` names them. Lost: an unsubscribe, or a silence of the journey's lost_after, at
-- its end. Another touch makes them active again. A customer's segment is the newest that was given before raw_from; for
-- `active`, by the end. Over several journeys there is no one silence: null. `share_intervals`, `kept_until`: the files.
WITH
{share_intervals}
SELECT
    by_journey AS journey, by_segment AS segment,
    if(journeys > 1, NULL, were_active)                                AS churn_rate_n,
    if(journeys > 1 OR were_active = 0, NULL, were_lost / were_active) AS churn_rate,
    if(journeys > 1, NULL, wilson_low(were_lost, were_active))         AS churn_rate_low,
    if(journeys > 1, NULL, wilson_high(were_lost, were_active))        AS churn_rate_high,
    if(journeys > 1, NULL, were_lost)                                  AS lost,
    if(journeys > 1, NULL, are_active)                                 AS active,
    multiIf(journeys > 1, 'several_journeys', were_active = 0, 'nobody_was_active', '') AS churn_rate_reason
FROM
(
    SELECT
        if(has({by:Array(String)}, 'journey'), journey, '')   AS by_journey,
        if(has({by:Array(String)}, 'segment'), segment, '')   AS by_segment,
        uniqExact(journey)                          AS journeys,
        toInt64(countIf(was_active))                AS were_active,
        toInt64(countIf(was_active AND was_lost))   AS were_lost,
        toInt64(countIf(is_active))                 AS are_active
    FROM
    (
        SELECT journey, seen.1 AS segment, seen.2 AS was_active, seen.3 AS was_lost, seen.4 AS is_active
        FROM ({kept_until})
        -- A person once as of the interval's start, and once as of its end: each if touched by then.
        ARRAY JOIN arrayFilter(one -> one.5, [
            (segment_before, active_before, lost_in_it, false, touched_before),
            (segment_now, false, false, active_now, touched_by_now)]) AS seen
    )
    WHERE empty({segments:Array(String)}) OR has({segments:Array(String)}, segment)
    GROUP BY by_journey, by_segment
)
