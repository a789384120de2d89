-- Panes added up for rolling windows: by journey; with stage; with channel, with segment, and with both. A place is (window's
-- number in {cuts}, key of the group, how many names are in it that have no group of their own).
-- Names are put together first and groups made of what is left, so that whatever names arrive little is grouped.
-- `folded_panes`, `group_keys`, `rolling_known`: the files. The columns are those of pane_sums.sql.
SELECT
    (cut, group_key, toUInt64(uniqMerge(names))) AS by_place,
    NULL AS by_journey, NULL AS by_stage, NULL AS by_channel, NULL AS by_touchpoint, NULL AS by_segment,
    {sums_of_measures},
    argMax(effects, measured) AS own_effects, max(measured) AS own_measured
FROM
(
    SELECT
        cut, group.1 AS group_key, group.2 AS names,
        {summed_columns},
        CAST(map(), 'Map(LowCardinality(String), Float32)') AS effects, false AS measured
    FROM ({folded_panes})
    ARRAY JOIN arrayZip({group_keys}, own_names) AS group
    UNION ALL
    -- A row that says zero: of what was heard of within a week and is silent now, and of what this window said at this tick
    -- before, when other groups had rows of their own. And design effects, which alone make no row.
    SELECT
        cut, group_key, arrayReduce('uniqState', []::Array(UInt64)) AS names,
        {summed_zeros},
        effects, measured
    FROM ({rolling_known})
)
GROUP BY cut, group_key
HAVING NOT min(measured)
