-- Panes added up by groups. With no groups there is always one row, so that nothing measured reads as zero touches.
-- `panes`: any query that gives the columns of interval_panes.sql. `groups`, `filters`: groups.sql, filters.sql.
SELECT
    {groups},
    1                                AS by_place, -- the only one
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
    sumMap(revenue_minor_by_currency)          AS sum_revenue,
    sumMap(purchase_revenue_minor_by_currency) AS sum_purchase_revenue
FROM
(
    SELECT *
    FROM ({panes})
    WHERE {filters}
    UNION ALL
    SELECT
        '', '', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        arrayResize([]::Array(Int64), 11), arrayResize([]::Array(Int64), 5), arrayResize([]::Array(Int64), 7),
        CAST(map(), 'Map(Int16, Int64)'), CAST(map(), 'Map(String, Int64)'), CAST(map(), 'Map(String, Int64)')
    WHERE empty({by:Array(String)})
)
GROUP BY by_journey, by_stage, by_channel, by_touchpoint, by_segment
