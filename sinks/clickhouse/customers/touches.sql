-- Touches with the person whom they count for: a customer (`known`), else an anonymous id: two name spaces.
-- Not FINAL: the same touch twice, until a merge, changes no visit. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT
    touch.journey AS journey,
    {person_of_touch},
    toUnixTimestamp64Milli(touch.occurred_at) AS at_ms,
    touch.event_id AS event_id,
    touch.stage AS stage, touch.channel AS channel, touch.touchpoint AS touchpoint, touch.segment AS segment,
    touch.action AS action,
    cityHash64(touch.log_id, touch.partition, touch.log_offset) AS row
FROM journey_touches AS touch
LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
WHERE {still_counts}
