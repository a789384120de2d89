-- The newest dead letters, of one reason or of all (an empty list). replayed_at_ms: 0 where it was not published again.
SELECT
    log_id, partition, log_offset, topic, toUnixTimestamp64Milli(record_at) AS record_at_ms, reason, detail,
    key, value, headers, replays.replayed_at_ms AS replayed_at_ms
FROM ({dead_letters_identified}) AS letters
LEFT JOIN
    (SELECT letter, toUnixTimestamp64Milli(max(replayed_at)) AS replayed_at_ms FROM dead_letter_replays GROUP BY letter) AS replays
    ON replays.letter = letters.letter
WHERE empty({reasons:Array(String)}) OR has({reasons:Array(String)}, reason)
ORDER BY record_at DESC, log_id, partition, log_offset DESC
LIMIT {limit:UInt32}
