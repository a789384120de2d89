-- How many groups of each kind have rolling rows of their own, and how many have none.
SELECT kind, toInt64(length(admitted)) AS admitted, toInt64(refused) AS refused, toInt64(refused_lately) AS refused_lately
FROM series FINAL
WHERE topic = {topic:String}
