-- Unique customers of the windows of {cuts} for the groups of rolling_sums.sql, exactly, from the raw events; of those
-- windows only of which {with_customers} says so. `group_key`: group_key.sql. A person is as in customers.sql; uniqExact would
-- hash it in the same way (SipHash of 128 bits), in each of the groupings anew. `who`: who.sql.
-- Each event is put into one set only: that of its group between two edges of windows. Windows and groupings are unions
-- of such sets.
SELECT cut AS cut_, {group_key} AS group_key_, customers
FROM
(
SELECT
    cut,
    if(grouping(journey) = 1, NULL, journey) AS by_journey,
    if(grouping(stage) = 1, NULL, stage)     AS by_stage,
    if(grouping(channel) = 1, NULL, channel) AS by_channel,
    if(grouping(segment) = 1, NULL, segment) AS by_segment,
    toInt64(uniqExactMerge(people)) AS customers
FROM
(
    SELECT
        arrayJoin(arrayFilter(
            (cut_, with_) -> with_ AND since_ms >= {cuts:Array(Array(Int64))}[cut_][1]
                AND since_ms < {cuts:Array(Array(Int64))}[cut_][8],
            arrayEnumerate({cuts:Array(Array(Int64))}), {with_customers:Array(Bool)})) AS cut,
        journey, stage, channel, segment, people
    FROM
    (
        SELECT
            roundDown(
                toUnixTimestamp64Milli(occurred_at),
                arraySort(arrayFlatten(arrayMap(cut_ -> [cut_[1], cut_[8]], {cuts:Array(Array(Int64))})))) AS since_ms,
            journey, stage, channel, segment, uniqExactState(sipHash128({whose_event})) AS people
        FROM touchpoints AS event
        LEFT ANY JOIN ({who}) AS who ON event.anonymous_id = who.anonymous_id
        WHERE has({with_customers:Array(Bool)}, true)
          AND occurred_at >= fromUnixTimestamp64Milli({raw_from_min:Int64}, 'UTC')
          AND occurred_at <  fromUnixTimestamp64Milli({raw_to_max:Int64}, 'UTC')
        GROUP BY since_ms, journey, stage, channel, segment
    )
)
GROUP BY GROUPING SETS
    ((cut, journey), (cut, journey, stage), (cut, journey, stage, channel), (cut, journey, stage, segment),
     (cut, journey, stage, channel, segment))
)
