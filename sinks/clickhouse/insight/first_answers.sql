-- Each person's first answer to the instrument `score` in [raw_from, raw_to): (known, person, answered_ms, answer).
-- `filters`, `person_of_touch`, `owners_of_anonymous_ids`: the texts of those names.
SELECT
    known, person,
    min(at_ms) AS answered_ms, argMin(score, (at_ms, event_id)) AS answer
FROM
(
    SELECT {person_of_touch}, touch.at_ms AS at_ms, touch.event_id AS event_id, touch.score AS score
    FROM
    (
        SELECT
            customer_id, anonymous_id, toUnixTimestamp64Milli(occurred_at) AS at_ms, event_id,
            multiIf({score:String} = 'nps', nps, {score:String} = 'csat', csat, ces) AS score
        FROM journey_touches
        WHERE occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
          AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
          AND {still_counts}
          AND {filters}
          AND isNotNull(score)
    ) AS touch
    LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
)
GROUP BY known, person
