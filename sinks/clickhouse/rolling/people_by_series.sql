-- The people of [from_ms, to_ms) by the groups of rolling rows, and all together (an empty key): sums over people of what each
-- answered (`answers_of_people`), where a person counts once in each stretch of {length_ms}, counted back from to_ms. People are as
-- in people_by_group.sql; of them, one in {sampled}, by a hash, and of the lanes {lanes}, for a lane has whole people.
-- `owners_of_anonymous_ids`, `admits`, `admitted_names`, `group_keys`: the files.
SELECT
    group_key_ AS group_key, count() AS people_in_windows, min(first_ms) AS measured_from_ms,
    {answers_of_people}
FROM
(
    SELECT group_key_, min(person_first_ms) AS first_ms, {answers_added_up}
    FROM
    (
        SELECT
            own, own_journey, own_stage, own_channel, own_segment, stretch, person, min(at_ms) AS person_first_ms,
            {answers_of_person}
        FROM (SELECT *, {admitted_names} FROM
        (
            SELECT
                journey, stage, channel, segment, action, outcome, instrument, late,
                {admits},
                {event_numbers},
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                intDiv({to_ms:Int64} - 1 - at_ms, {length_ms:Int64}) AS stretch,
                if(event.customer_id != '' OR event.anonymous_id != '',
                    sipHash128({person_of_event}), sipHash128(log_id, partition, log_offset)) AS person
            FROM touchpoints AS event FINAL
            LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON event.anonymous_id = who.anonymous_id
            WHERE partition IN {lanes:Array(UInt32)}
              AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
              AND occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
              AND ({events_with_answers})
              AND {still_counts}
              AND cityHash64(person) % {sampled:UInt64} = 0
        ))
        GROUP BY own, own_journey, own_stage, own_channel, own_segment, stretch, person
    )
    ARRAY JOIN arrayPushBack({group_keys}, []) AS group_key_
    GROUP BY group_key_, stretch, person
)
GROUP BY group_key
