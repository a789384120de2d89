-- Panes of several windows added up by what admitted_names.sql leaves of their names. `own_names` counts the others, for each
-- of the groups of group_keys.sql. `windows_panes`, `admits`, `admits_of_all`, `admitted_names`: the files. One SELECT for each
-- step: an expression that is named in another would be copied into it, and each copy of an IN reads the list again.
SELECT
    cut, own, own_journey, own_stage, own_channel, own_segment,
    [uniqStateIf(cityHash64(journey), NOT own.1), uniqStateIf(cityHash64(journey, stage), NOT own.2),
     uniqStateIf(cityHash64(channel), NOT own.3), uniqStateIf(cityHash64(segment), NOT own.4),
     uniqStateIf(cityHash64(channel, segment), NOT own.5)] AS own_names,
    sum(touches)             AS touches,
    sum(duplicates)          AS duplicates,
    sum(conflicting)         AS conflicting,
    sum(late)                AS late,
    sum(success)             AS success,
    sum(failure)             AS failure,
    sum(abandoned)           AS abandoned,
    sum(purchases)           AS purchases,
    sum(sentiment_n)         AS sentiment_n,
    sum(sentiment_sum_micro) AS sentiment_sum_micro,
    sumForEach(nps_counts)   AS nps_counts,
    sumForEach(csat_counts)  AS csat_counts,
    sumForEach(ces_counts)   AS ces_counts,
    sumMap(duration_sketch)  AS duration_sketch,
    sumMap(CAST(revenue_minor_by_currency, 'Map(String, Int64)'))          AS revenue_minor_by_currency,
    sumMap(CAST(purchase_revenue_minor_by_currency, 'Map(String, Int64)')) AS purchase_revenue_minor_by_currency
FROM (SELECT *, {admitted_names} FROM (SELECT *, {admits_of_all} FROM (SELECT *, {admits} FROM ({windows_panes}))))
GROUP BY cut, own, own_journey, own_stage, own_channel, own_segment
