-- The start of the first bucket of five minutes since from_ms that has a pane; null without one.
SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(min(pane_start))) AS start_ms
FROM stage_panes
WHERE resolution_s = 300 AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
