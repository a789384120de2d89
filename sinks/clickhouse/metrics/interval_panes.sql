-- What was measured in [raw_from, raw_to), as rows that add up: panes (whole_panes.sql), and single raw events where an
-- edge is no whole ten seconds. Raw events hold no duplicates: those edges count none.
{whole_panes}

UNION ALL

SELECT
    journey, stage, channel, touchpoint, segment,
    toInt64(1)                      AS touches,
    toInt64(0)                      AS duplicates,
    toInt64(0)                      AS conflicting,
    toInt64(late)                   AS late,
    toInt64(outcome = 'success')    AS success,
    toInt64(outcome = 'failure')    AS failure,
    toInt64(outcome = 'abandoned')  AS abandoned,
    toInt64(action = 'purchase')    AS purchases,
    toInt64(isNotNull(sentiment_micro)) AS sentiment_n,
    ifNull(sentiment_micro, 0)      AS sentiment_sum_micro,
    arrayMap(answer -> toInt64(ifNull(nps = answer, 0)), range(0, 11)) AS nps_counts,
    arrayMap(answer -> toInt64(ifNull(csat = answer, 0)), range(1, 6)) AS csat_counts,
    arrayMap(answer -> toInt64(ifNull(ces = answer, 0)), range(1, 8))  AS ces_counts,
    -- The bucket of d ms is ceil(log d / log gamma), gamma = 1.01 / 0.99; 0 ms stands in bucket -1.
    CAST(mapFromArrays(
        if(isNull(duration_ms), [], [if(duration_ms = 0, -1, ceil(log(assumeNotNull(duration_ms)) / log(1.01 / 0.99)))]),
        if(isNull(duration_ms), [], [1])), 'Map(Int16, Int64)') AS duration_sketch,
    CAST(mapFromArrays(
        if(isNull(revenue_minor), [], [currency]),
        if(isNull(revenue_minor), [], [assumeNotNull(revenue_minor)])), 'Map(String, Int64)') AS revenue_minor_by_currency,
    CAST(mapFromArrays(
        if(isNull(revenue_minor) OR action != 'purchase', [], [currency]),
        if(isNull(revenue_minor) OR action != 'purchase', [], [assumeNotNull(revenue_minor)])), 'Map(String, Int64)')
        AS purchase_revenue_minor_by_currency
FROM touchpoints FINAL
WHERE
    (occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({tens_from:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tens_to:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC'))
