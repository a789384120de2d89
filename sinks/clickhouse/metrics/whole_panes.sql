-- Panes of the whole ten seconds in [tens_from, tens_to): every event is in exactly one pane of each resolution, so that
-- an interval is cut into hours in its middle, five minutes and ten seconds towards its edges.
SELECT
    journey, stage, channel, touchpoint, segment,
    touches, duplicates, conflicting, late, success, failure, abandoned, purchases, sentiment_n, sentiment_sum_micro,
    nps_counts, csat_counts, ces_counts, duration_sketch,
    CAST(revenue_minor_by_currency, 'Map(String, Int64)')          AS revenue_minor_by_currency,
    CAST(purchase_revenue_minor_by_currency, 'Map(String, Int64)') AS purchase_revenue_minor_by_currency
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
