-- Up to which tick each rule of a namespace has been judged.
SELECT rule, toUnixTimestamp64Milli(max(tick)) AS tick_ms
FROM alerts_judged
WHERE topic = {topic:String} AND namespace = {namespace:String}
GROUP BY rule
