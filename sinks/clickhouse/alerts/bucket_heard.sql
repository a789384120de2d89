-- Until when there was anything in each bucket and group, from panes of ten seconds. `panes_looked_at`: the file.
SELECT
    intDiv(toUnixTimestamp64Milli(pane_start), 300000) * 300000 AS start_ms, group_key_,
    max(toUnixTimestamp64Milli(pane_start)) + 10000             AS heard_ms
FROM ({panes_looked_at})
WHERE arrayExists(one -> one != 0, bins)
GROUP BY start_ms, group_key_
