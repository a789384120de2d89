-- What arrived lately and the journeys didn't know when it was measured, the most frequent first. `identify` links
-- ids, and needs no stage.
SELECT journey, stage, channel, touchpoint, count() AS touches, toUnixTimestamp64Milli(max(occurred_at)) AS newest_ms
FROM touchpoints FINAL
WHERE NOT declared AND action != 'identify' AND {still_counts}
GROUP BY journey, stage, channel, touchpoint
ORDER BY touches DESC, journey, stage, channel, touchpoint
LIMIT {most:UInt32}
