-- Hours of [from_ms, to_ms) in which anything happened, by panes or by raw events, and how much: the more of the two.
SELECT hour_ms, max(touches) AS touches
FROM
(
    -- Every event is in a pane of each of the three resolutions.
    SELECT toUnixTimestamp64Milli(pane_start) - positiveModulo(toUnixTimestamp64Milli(pane_start), 3600000) AS hour_ms,
           intDiv(sum(touches), 3) AS touches
    FROM stage_panes FINAL
    WHERE pane_start >= fromUnixTimestamp64Milli({from_ms:Int64} - 3600000, 'UTC')
      AND pane_start <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    GROUP BY hour_ms
    UNION ALL
    SELECT toUnixTimestamp64Milli(occurred_at) - positiveModulo(toUnixTimestamp64Milli(occurred_at), 3600000) AS hour_ms, toInt64(count())
    FROM touchpoints
    WHERE occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    GROUP BY hour_ms
)
GROUP BY hour_ms
ORDER BY hour_ms
