-- Dead letters of the last day by reason, the most frequent first: how many, when the newest came, and what was wrong with it.
SELECT
    reason, count() AS letters, toUnixTimestamp64Milli(max(record_at)) AS newest_ms,
    argMax(detail, (record_at, log_offset)) AS detail
FROM dead_letters FINAL
WHERE record_at > now64(3) - INTERVAL 1 DAY
GROUP BY reason
ORDER BY letters DESC, reason
LIMIT {most:UInt32}
