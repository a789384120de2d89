-- The hour of the newest event of all, in milliseconds since 1970; no row without any. Read in the order of the table.
SELECT toUnixTimestamp64Milli(pane_start) AS at_ms
FROM stage_panes
WHERE resolution_s = 3600
ORDER BY resolution_s DESC, pane_start DESC
LIMIT 1
