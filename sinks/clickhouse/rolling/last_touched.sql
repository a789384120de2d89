-- When stages of a journey were last touched, of all time: the start of that hour, in milliseconds since 1970.
SELECT stage, toUnixTimestamp64Milli(max(pane_start)) AS at_ms
FROM stage_panes
WHERE resolution_s = 3600 AND journey = {journey:String} AND has({stages:Array(String)}, stage)
GROUP BY stage
