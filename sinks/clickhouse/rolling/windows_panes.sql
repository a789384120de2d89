-- Panes of several windows: each row once for every window that it lies in, with the window's number `cut` in {cuts}. A cut
-- is [raw_from, tens_from, fives_from, hours_from, hours_to, fives_to, tens_to, raw_to] in milliseconds. A pane lies in a
-- window as whole_panes.sql has it. The first conditions are for the primary key only: what any of the windows may need.
-- `admits`: the file.
WITH
multiIf(resolution_s = 3600, 4, resolution_s = 300, 3, 2) AS ring,
toUnixTimestamp64Milli(pane_start) AS start
SELECT
    arrayJoin(arrayFilter(
        cut_ -> start >= {cuts:Array(Array(Int64))}[cut_][ring] AND start < {cuts:Array(Array(Int64))}[cut_][9 - ring]
            AND NOT (start >= {cuts:Array(Array(Int64))}[cut_][ring + 1] AND start < {cuts:Array(Array(Int64))}[cut_][8 - ring]),
        arrayEnumerate({cuts:Array(Array(Int64))}))) AS cut,
    journey, stage, channel, segment,
    {admits},
    {summed_columns}
FROM stage_panes FINAL
WHERE
    (resolution_s = 3600
        AND pane_start >= fromUnixTimestamp64Milli({hours_from_min:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({hours_to_max:Int64}, 'UTC'))
    OR (resolution_s = 300
        AND pane_start >= fromUnixTimestamp64Milli({fives_from_min:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({hours_from_max:Int64}, 'UTC'))
    OR (resolution_s = 300
        AND pane_start >= fromUnixTimestamp64Milli({hours_to_min:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({fives_to_max:Int64}, 'UTC'))
    OR (resolution_s = 10
        AND pane_start >= fromUnixTimestamp64Milli({tens_from_min:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({fives_from_max:Int64}, 'UTC'))
    OR (resolution_s = 10
        AND pane_start >= fromUnixTimestamp64Milli({fives_to_min:Int64}, 'UTC')
        AND pane_start <  fromUnixTimestamp64Milli({tens_to_max:Int64}, 'UTC'))
