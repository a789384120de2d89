-- Panes added up by groups. With no groups there is always one row, so that nothing measured reads as zero touches.
-- `panes`: any query that gives the columns of interval_panes.sql. `groups`, `filters`: groups.sql, filters.sql.
SELECT
    {groups},
    1                                AS by_place, -- the only one
    {sums_of_measures}
FROM
(
    SELECT *
    FROM ({panes})
    WHERE {filters}
    UNION ALL
    SELECT
        '' AS journey, '' AS stage, '' AS channel, '' AS touchpoint, '' AS segment,
        {summed_zeros}
    WHERE empty({by:Array(String)})
)
GROUP BY by_journey, by_stage, by_channel, by_touchpoint, by_segment
