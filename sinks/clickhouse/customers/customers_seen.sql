-- All persons with touches, by journey: when, how often, with which revenue. A person is a customer (`known`), else an
-- anonymous id: two name spaces. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT
    journey, known, person,
    min(at) AS first_at, max(at) AS last_at,
    toInt64(count()) AS touches,
    argMaxIf(stage, (at, event_id), stage != 'undeclared') AS stage,
    argMaxIf(segment, (at, event_id), segment != '')       AS segment,
    toInt64(countIf(action = 'purchase'))                  AS purchases,
    sumMapIf(map(toString(currency), revenue), revenue != 0) AS revenue_minor_by_currency,
    argMax(action, (at, event_id)) = 'unsubscribe'         AS unsubscribed
FROM
(
    SELECT
        touch.journey AS journey,
        {person_of_touch},
        touch.occurred_at AS at, touch.event_id AS event_id, touch.stage AS stage, touch.segment AS segment,
        touch.action AS action, touch.currency AS currency, ifNull(touch.revenue_minor, 0) AS revenue
    FROM journey_touches AS touch FINAL
    LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
    WHERE {still_counts}
)
GROUP BY journey, known, person
