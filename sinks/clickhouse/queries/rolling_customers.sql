-- Unique customers of [raw_from, raw_to) for the groups of rolling_sums.sql, exactly, from the raw events; nothing where
-- with_customers is false. A person is as in customers.sql. `who`: who.sql.
SELECT
    if(grouping(journey) = 1, '*', journey) AS journey_,
    if(grouping(stage) = 1, '*', stage)     AS stage_,
    if(grouping(channel) = 1, '*', channel) AS channel_,
    if(grouping(segment) = 1, '*', segment) AS segment_,
    toInt64(uniqExact({whose_event})) AS customers
FROM touchpoints AS event
LEFT ANY JOIN ({who}) AS who ON event.anonymous_id = who.anonymous_id
WHERE {with_customers:Bool}
  AND occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
  AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
GROUP BY GROUPING SETS
    ((journey), (journey, stage), (journey, stage, channel), (journey, stage, segment), (journey, stage, channel, segment))
