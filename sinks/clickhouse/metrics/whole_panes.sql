-- Panes of the whole ten seconds in [tens_from, tens_to): every event is in exactly one pane of each resolution, so that
-- an interval is cut into hours in its middle, five minutes and ten seconds towards its edges.
SELECT
    journey, stage, channel, touchpoint, segment,
    {summed_measures}
FROM stage_panes FINAL
WHERE
    (resolution_s = 3600
        AND pane_start >= fromUnixTimestamp64Milli({hours_from:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({hours_to:Int64}, 'UTC'))
    OR (resolution_s = 300
        AND pane_start >= fromUnixTimestamp64Milli({fives_from:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({hours_from:Int64}, 'UTC'))
    OR (resolution_s = 300
        AND pane_start >= fromUnixTimestamp64Milli({hours_to:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({fives_to:Int64}, 'UTC'))
    OR (resolution_s = 10
        AND pane_start >= fromUnixTimestamp64Milli({tens_from:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({fives_from:Int64}, 'UTC'))
    OR (resolution_s = 10
        AND pane_start >= fromUnixTimestamp64Milli({fives_to:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({tens_to:Int64}, 'UTC'))
