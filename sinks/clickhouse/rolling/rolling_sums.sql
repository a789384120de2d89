-- Panes added up for rolling windows: by journey; with stage; with channel, with segment, and with both. A place is (window's
-- number in {cuts}, key of the group, how many names are in it that have no group of their own).
-- Names are put together first and groups made of what is left, so that whatever names arrive little is grouped.
-- `windows_panes`: windows_panes.sql. `admits`, `admitted_names`, `group_keys`: the files. The columns are those of pane_sums.sql.
SELECT
    (cut, group_key, toUInt64(uniqMerge(names))) AS by_place,
    NULL AS by_journey, NULL AS by_stage, NULL AS by_channel, NULL AS by_touchpoint, NULL AS by_segment,
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
    SELECT
        cut, group.1 AS group_key, group.2 AS names,
        touches, duplicates, conflicting, late, success, failure, abandoned, purchases, sentiment_n, sentiment_sum_micro,
        nps_counts, csat_counts, ces_counts, duration_sketch, revenue_minor_by_currency, purchase_revenue_minor_by_currency
    FROM ({folded_panes})
    ARRAY JOIN arrayZip({group_keys}, own_names) AS group
    UNION ALL
    -- A row that says zero: of what was heard of within a week and is silent now, and of what this window said at this tick
    -- before, when other groups had rows of their own.
    SELECT
        cut, group_key, arrayReduce('uniqState', []::Array(UInt64)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        arrayResize([]::Array(Int64), 11), arrayResize([]::Array(Int64), 5), arrayResize([]::Array(Int64), 7),
        CAST(map(), 'Map(Int16, Int64)'), CAST(map(), 'Map(String, Int64)'), CAST(map(), 'Map(String, Int64)')
    FROM ({rolling_silent})
)
GROUP BY cut, group_key
