-- When the design effects of each window were measured last, and how old the oldest answer was, in milliseconds.
SELECT window, toUnixTimestamp64Milli(measured_to) AS measured_ms, dateDiff('millisecond', measured_from, measured_to) AS history_ms
FROM design_effects FINAL
WHERE topic = {topic:String} AND empty(group_key)
