-- Unique customers of the windows of {cuts} for the groups of rolling_sums.sql, exactly, from the raw events; of those
-- windows only of which {with_customers} says so. A person is as in customers.sql; uniqExact would hash it in the same way
-- (SipHash of 128 bits), in each of the groupings anew. `owners_of_anonymous_ids`, `admits`, `admitted_names`,
-- `group_keys`: the files.
-- Each event is put into one set only: that of its group between two edges of windows. Windows and groupings are unions
-- of such sets.
SELECT cut AS cut_, group_key_, toInt64(uniqExactMerge(people)) AS counted
FROM
(
    SELECT
        arrayJoin(arrayFilter(
            (cut_, with_) -> with_ AND since_ms >= {cuts:Array(Array(Int64))}[cut_][1]
                AND since_ms < {cuts:Array(Array(Int64))}[cut_][8],
            arrayEnumerate({cuts:Array(Array(Int64))}), {with_customers:Array(Bool)})) AS cut,
        own, own_journey, own_stage, own_channel, own_segment, people
    FROM
    (
        SELECT since_ms, {admitted_names}, uniqExactState(person) AS people
        FROM
        (
            SELECT
                roundDown(
                    toUnixTimestamp64Milli(occurred_at),
                    arraySort(arrayFlatten(arrayMap(cut_ -> [cut_[1], cut_[8]], {cuts:Array(Array(Int64))})))) AS since_ms,
                journey, stage, channel, segment, sipHash128({person_of_event}) AS person,
                {admits}
            FROM touchpoints AS event
            LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON event.anonymous_id = who.anonymous_id
            WHERE has({with_customers:Array(Bool)}, true)
              AND occurred_at >= fromUnixTimestamp64Milli({raw_from_min:Int64}, 'UTC')
              AND occurred_at <  fromUnixTimestamp64Milli({raw_to_max:Int64}, 'UTC')
              AND {still_counts}
        )
        GROUP BY since_ms, own, own_journey, own_stage, own_channel, own_segment
    )
)
ARRAY JOIN {group_keys} AS group_key_
GROUP BY cut, group_key_
