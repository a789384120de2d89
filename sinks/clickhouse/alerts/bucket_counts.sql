-- What panes have of each bucket and group now. `panes_looked_at`: the file.
SELECT toUnixTimestamp64Milli(pane_start) AS start_ms, group_key_, sumForEach(bins) AS counts
FROM ({panes_looked_at})
GROUP BY start_ms, group_key_
HAVING arrayExists(one -> one != 0, counts)
