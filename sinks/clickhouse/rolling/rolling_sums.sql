-- Panes added up for rolling windows: by journey; with stage; with channel, with segment, and with both. A place is (window's
-- number in {cuts}, key of the group, how many names are in it that have no group of their own).
-- Names are put together first and groups made of what is left, so that whatever names arrive little is grouped.
-- `windows_panes`: windows_panes.sql. `admits`, `admitted_names`, `group_keys`: the files. The columns are those of pane_sums.sql.
SELECT
    (cut, group_key, toUInt64(uniqMerge(names))) AS by_place,
    NULL AS by_journey, NULL AS by_stage, NULL AS by_channel, NULL AS by_touchpoint, NULL AS by_segment,
    {sums_of_measures}
FROM
(
    SELECT
        cut, group.1 AS group_key, group.2 AS names,
        {summed_columns}
    FROM ({folded_panes})
    ARRAY JOIN arrayZip({group_keys}, own_names) AS group
    UNION ALL
    -- A row that says zero: of what was heard of within a week and is silent now, and of what this window said at this tick
    -- before, when other groups had rows of their own.
    SELECT
        cut, group_key, arrayReduce('uniqState', []::Array(UInt64)) AS names,
        {summed_zeros}
    FROM ({rolling_silent})
)
GROUP BY cut, group_key
