-- Every touchpoint that was ever touched, from panes of an hour.
SELECT
    journey, stage, channel, touchpoint,
    sum(touches)                                                    AS touches,
    toUnixTimestamp64Milli(maxIf(pane_start, stage_panes.touches > 0)) AS newest_ms
FROM stage_panes FINAL
WHERE resolution_s = 3600
GROUP BY journey, stage, channel, touchpoint
ORDER BY journey, stage, channel, touchpoint
