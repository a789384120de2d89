-- Panes of one group added up by its names of a dimension, or all together where {by} is empty, in the two intervals of {cuts}
-- (windows_panes.sql): a place is (number of the interval, name). The columns are those of pane_sums.sql. `filters`, `windows_panes`, `admits`: the files.
SELECT
    (toInt64(cut), multiIf({by:String} = 'channel', channel, {by:String} = 'segment', segment, {by:String} = 'touchpoint', touchpoint, '')) AS by_place,
    NULL AS by_journey, NULL AS by_stage, NULL AS by_channel, NULL AS by_touchpoint, NULL AS by_segment,
    {sums_of_measures}
FROM ({windows_panes})
WHERE {filters}
GROUP BY by_place
