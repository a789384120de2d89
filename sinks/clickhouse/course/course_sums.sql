-- Panes of one group added up by steps of time: a place is (number of the step, ''). Steps are whole panes of
-- {resolution_s}. The columns are those of pane_sums.sql. `filters`: the file.
SELECT
    (intDiv(start_ms - {from_ms:Int64}, {step_ms:Int64}), '') AS by_place,
    NULL AS by_journey, NULL AS by_stage, NULL AS by_channel, NULL AS by_touchpoint, NULL AS by_segment,
    {sums_of_measures}
FROM
(
    SELECT toUnixTimestamp64Milli(pane_start) AS start_ms, {summed_measures}
    FROM stage_panes FINAL
    WHERE resolution_s = {resolution_s:UInt32}
      AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND pane_start <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
      AND {filters}
)
GROUP BY by_place
