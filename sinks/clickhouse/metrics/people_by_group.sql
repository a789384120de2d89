-- The people of [raw_from, raw_to) by groups: how many touches and customers, how many of these answered each instrument, and
-- sums over people of what each answered (`answers_of_people`), from the raw events.
-- A person is a customer, by customer_id or by an anonymous_id that was identified, else an anonymous_id: two name spaces.
-- An answer without an id is of a person of its own, who is no customer.
-- `groups`, `filters`, `owners_of_anonymous_ids`: the texts of those names.
SELECT
    by_journey, by_stage, by_channel, by_touchpoint, by_segment,
    toInt64(sum(touches_)) AS raw_touches,
    toInt64(countIf(known)) AS customers,
    {people_who_answered},
    {answers_of_people}
FROM
(
    WITH
        -- Shorter than an id may be.
        event.customer_id != '' OR event.anonymous_id != '' AS known,
        multiIf(
            known, sipHash128({person_of_event}),
            {events_with_answers}, sipHash128(log_id, partition, log_offset), toFixedString('', 16)) AS person
    SELECT
        {groups},
        person, known,
        count() AS touches_,
        {answers_to_instruments},
        {answers_of_person}
    FROM touchpoints AS event FINAL
    LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON event.anonymous_id = who.anonymous_id
    WHERE occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
      AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
      AND {still_counts}
      AND {filters}
    GROUP BY by_journey, by_stage, by_channel, by_touchpoint, by_segment, person, known
)
GROUP BY by_journey, by_stage, by_channel, by_touchpoint, by_segment
