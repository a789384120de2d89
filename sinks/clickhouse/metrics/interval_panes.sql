-- What was measured in [raw_from, raw_to), as rows that add up: panes (whole_panes.sql), and single raw events where an
-- edge is no whole ten seconds. Raw events hold no duplicates: those edges count none.
{whole_panes}

UNION ALL

SELECT
    journey, stage, channel, touchpoint, segment,
    {summed_of_event}
FROM touchpoints FINAL
WHERE {still_counts}
  AND ((occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({tens_from:Int64}, 'UTC'))
    OR (occurred_at >= fromUnixTimestamp64Milli({tens_to:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')))
