-- What panes have of each group in all, those with most first, and of how many groups. `panes_looked_at`: the file.
SELECT group_key_, sumForEach(bins) AS counts, count() OVER () AS groups
FROM ({panes_looked_at})
GROUP BY group_key_
HAVING arrayExists(one -> one != 0, counts)
ORDER BY arraySum(counts) DESC, group_key_
LIMIT {most:UInt32}
