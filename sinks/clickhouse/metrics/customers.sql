-- Unique customers of [raw_from, raw_to), exactly, from the raw events, and how many of them answered each instrument.
-- A person is a customer, by customer_id or by an anonymous_id that was identified, else an anonymous_id: two name spaces.
-- raw_touches is compared with the panes' touches: fewer means that raw events are past their retention, and customers
-- unknown.
-- `share_intervals`, `groups`, `filters`, `owners_of_anonymous_ids`: the texts of those names.
WITH
{share_intervals}
SELECT
    by_journey AS journey, by_stage AS stage, by_channel AS channel, by_touchpoint AS touchpoint, by_segment AS segment,
    raw_touches,
    customers,
    {response_rates}
FROM
(
    WITH
        -- As uniqExact itself would hash it, for each instrument.
        sipHash128({person_of_event}) AS person,
        event.customer_id != '' OR event.anonymous_id != '' AS known
    SELECT
        {groups},
        toInt64(count())                                             AS raw_touches,
        toInt64(uniqExactIf(person, known))                          AS customers,
        {people_who_answered}
    FROM touchpoints AS event FINAL
    LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON event.anonymous_id = who.anonymous_id
    WHERE occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
      AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
      AND {filters}
    GROUP BY by_journey, by_stage, by_channel, by_touchpoint, by_segment
)
