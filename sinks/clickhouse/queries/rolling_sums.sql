-- Panes added up for rolling windows: by journey; with stage; with channel, with segment, and with both. Null: all together.
-- `windows_panes`: windows_panes.sql. The columns are those of sums.sql.
SELECT
    cut                                     AS by_cut,
    if(grouping(journey) = 1, NULL, journey) AS by_journey,
    if(grouping(stage) = 1, NULL, stage)     AS by_stage,
    if(grouping(channel) = 1, NULL, channel) AS by_channel,
    NULL                                    AS by_touchpoint,
    if(grouping(segment) = 1, NULL, segment) AS by_segment,
    sum(touches)                     AS sum_touches,
    sum(duplicates)                  AS sum_duplicates,
    sum(conflicting)                 AS sum_conflicting,
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
    sumMap(CAST(revenue_minor_by_currency, 'Map(String, Int64)'))          AS sum_revenue,
    sumMap(CAST(purchase_revenue_minor_by_currency, 'Map(String, Int64)')) AS sum_purchase_revenue
FROM
(
    SELECT * FROM ({windows_panes})
    UNION ALL
    -- What was heard of within a week and is silent now has a row that says so.
    SELECT DISTINCT
        arrayJoin(arrayFilter(
            cut_ -> heard_at < {cuts:Array(Array(Int64))}[cut_][8]
                AND heard_at >= {cuts:Array(Array(Int64))}[cut_][8] - 604800000,
            arrayEnumerate({cuts:Array(Array(Int64))}))),
        journey, stage, channel, segment, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        arrayResize([]::Array(Int64), 11), arrayResize([]::Array(Int64), 5), arrayResize([]::Array(Int64), 7),
        CAST(map(), 'Map(Int16, Int64)'), CAST(map(), 'Map(String, Int64)'), CAST(map(), 'Map(String, Int64)')
    FROM
    (
        SELECT DISTINCT toUnixTimestamp64Milli(pane_start) AS heard_at, journey, stage, channel, segment
        FROM stage_panes
        WHERE resolution_s = 3600
          AND pane_start >= fromUnixTimestamp64Milli({raw_to_min:Int64}, 'UTC') - toIntervalDay(7)
          AND pane_start <  fromUnixTimestamp64Milli({raw_to_max:Int64}, 'UTC')
    )
)
GROUP BY GROUPING SETS
    ((cut, journey), (cut, journey, stage), (cut, journey, stage, channel), (cut, journey, stage, segment),
     (cut, journey, stage, channel, segment))
