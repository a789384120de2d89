-- How many panes of history hold an event at or beyond where history ends: they were written meanwhile.
SELECT count()
FROM stage_panes
WHERE has({logs:Array(String)}, log_id) AND NOT {edition_below_end}
