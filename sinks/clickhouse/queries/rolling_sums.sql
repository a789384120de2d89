-- Panes added up for the rolling windows: by journey; with stage; with channel, with segment, and with both. `*`: all.
-- `whole_panes`: whole_panes.sql. The columns are those of sums.sql.
SELECT
    if(grouping(journey) = 1, '*', journey) AS by_journey,
    if(grouping(stage) = 1, '*', stage)     AS by_stage,
    if(grouping(channel) = 1, '*', channel) AS by_channel,
    '*'                                     AS by_touchpoint,
    if(grouping(segment) = 1, '*', segment) AS by_segment,
    sum(touches)                     AS sum_touches,
    sum(duplicates)                  AS sum_duplicates,
    sum(late)                        AS sum_late,
    sum(success)                     AS sum_success,
    sum(failure)                     AS sum_failure,
    sum(abandoned)                   AS sum_abandoned,
    sum(purchases)                   AS sum_purchases,
    sum(sentiment_n)                 AS sum_sentiment_n,
    sum(sentiment_sum_micro)         AS sum_sentiment_micro,
    sumForEach(nps_counts)           AS sum_nps,
    sumForEach(csat_counts)          AS sum_csat,
    sumForEach(ces_counts)           AS sum_ces,
    sumMap(duration_sketch)          AS sum_durations,
    sumMap(revenue_minor_by_currency)          AS sum_revenue,
    sumMap(purchase_revenue_minor_by_currency) AS sum_purchase_revenue
FROM
(
    SELECT * FROM ({whole_panes})
    UNION ALL
    -- What was heard of within a week and is silent now has a row that says so.
    SELECT DISTINCT
        journey, stage, channel, '', segment, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        arrayResize([]::Array(Int64), 11), arrayResize([]::Array(Int64), 5), arrayResize([]::Array(Int64), 7),
        CAST(map(), 'Map(Int16, Int64)'), CAST(map(), 'Map(String, Int64)'), CAST(map(), 'Map(String, Int64)')
    FROM stage_panes
    WHERE resolution_s = 3600
      AND pane_start >= fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC') - toIntervalDay(7)
      AND pane_start <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
)
GROUP BY GROUPING SETS
    ((journey), (journey, stage), (journey, stage, channel), (journey, stage, segment), (journey, stage, channel, segment))
