-- Dead letters that may be published again, the oldest first: never sent, or it is not known whether (`unacknowledged`), or
-- refused again since. Not what was erased, what would steer a lane, or what panes count already (`rejected`). What a key was
-- not made for (`not_allowed`) only where it is asked for: judged without the key it would be fine.
SELECT
    refused.letter AS letter, place.1 AS log_id, place.2 AS partition, place.3 AS log_offset,
    record_at_ms, last_reason AS reason, bytes,
    if(refused_again >= attempts, attempts + 1, attempts) AS attempt,
    attempts > refused_again AS unacknowledged,
    started_at_ms
FROM
(
    SELECT
        letter,
        max(if(letter = concat(log_id, '/', toString(partition), '/', toString(log_offset)), 0, of_attempt)) AS refused_again,
        argMin((log_id, partition, log_offset), (inserted_at, log_offset)) AS place,
        toUnixTimestamp64Milli(min(record_at)) AS record_at_ms,
        argMax(reason, (inserted_at, log_offset)) AS last_reason,
        max(length(ifNull(value, ''))) AS bytes
    FROM ({dead_letters_identified})
    WHERE topic = {topic:String}
    GROUP BY letter
    HAVING countIf(isNull(value) OR detail = 'erased' OR reason = 'rejected') = 0
       AND countIf(arrayExists(header -> header.name = 'touchstream-control', headers)) = 0
) AS refused
LEFT JOIN
(
    SELECT
        letter, max(attempt) AS attempts,
        toUnixTimestamp64Milli(argMax(replayed_at, attempt)) AS replayed_at_ms,
        toUnixTimestamp64Milli(argMax(started_at, attempt)) AS started_at_ms
    FROM dead_letter_replays FINAL
    GROUP BY letter
) AS replays ON replays.letter = refused.letter
WHERE (refused_again >= attempts OR replayed_at_ms = 0)
  AND if(empty({reasons:Array(String)}), last_reason != 'not_allowed', has({reasons:Array(String)}, last_reason))
  AND record_at_ms >= {since_ms:Int64}
ORDER BY record_at_ms, letter
LIMIT {limit:UInt32}
