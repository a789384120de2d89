-- A row for each person who answered long enough ago, in one order: the answer; what they bought for in (answer, answer
-- + span], and in (answer - span, answer], in one currency; what they got back afterwards; days since their first touch
-- at the answer; and their newest segment then. A purchase at the instant of the answer is before it: the answer may be
-- about it. One in `one_in` people. FINAL: a touch that was inserted twice would be spent twice.
-- `first_answers`: the file. `person_of_touch`, `owners_of_anonymous_ids`: the texts of those names.
SELECT
    toFloat64(any(answer)) AS score,
    toFloat64(sumIf(minor, bought AND at_ms > answered_ms AND at_ms <= answered_ms + {span_ms:Int64})) AS after,
    toFloat64(sumIf(minor, bought AND at_ms <= answered_ms AND at_ms > answered_ms - {span_ms:Int64})) AS before,
    toFloat64(-sumIf(minor, NOT bought AND at_ms > answered_ms AND at_ms <= answered_ms + {span_ms:Int64})) AS returned,
    greatest(0, any(answered_ms) - min(at_ms)) / 86400000 AS tenure_days,
    argMaxIf(segment, (at_ms, event_id), segment != '' AND at_ms <= answered_ms) AS newest_segment
FROM
(
    SELECT
        {person_of_touch},
        toUnixTimestamp64Milli(touch.occurred_at) AS at_ms, touch.event_id AS event_id, touch.segment AS segment,
        touch.minor AS minor, touch.minor > 0 AS bought
    FROM
    (
        SELECT
            customer_id, anonymous_id, occurred_at, event_id, toString(segment) AS segment,
            multiIf(
                currency != {currency:String}, 0, action = 'purchase' AND revenue_minor > 0, assumeNotNull(revenue_minor),
                revenue_minor < 0, assumeNotNull(revenue_minor), 0) AS minor
        FROM journey_touches FINAL
        WHERE {still_counts}
    ) AS touch
    LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
) AS touched
INNER JOIN ({first_answers}) AS answered USING (known, person)
WHERE answered_ms + {span_ms:Int64} <= {known_ms:Int64} AND cityHash64(person) % {one_in:UInt32} = 0
GROUP BY known, person
ORDER BY cityHash64(known, person), person
