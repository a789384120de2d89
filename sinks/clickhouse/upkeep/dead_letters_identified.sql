-- Dead letters, and which letter each is: by where it was refused first, however often it came back. What a record says of
-- that in its headers whoever writes to the topic can say. It counts where the letter was sent as often as it says, with the
-- same bytes; else the record is a letter of its own. Of a letter that is no more it counts as well, and of one that was
-- erased, which neither ever comes back.
SELECT
    own.* EXCEPT (place, claimed),
    if(claimed != '' AND (first.erased OR (of_attempt BETWEEN 1 AND sent.attempts
            AND (first.first_place = '' OR (first.held_key = ifNull(own.key, '') AND first.held_value = ifNull(own.value, ''))))),
        claimed, own.place) AS letter
FROM
(
    SELECT
        *, concat(log_id, '/', toString(partition), '/', toString(log_offset)) AS place,
        if(arrayExists(header -> header.name = 'touchstream-control', headers), '',
            arrayFirst(header -> header.name = 'touchstream-replay-of', headers).value) AS claimed,
        toUInt32OrZero(arrayFirst(header -> header.name = 'touchstream-replay-attempt', headers).value) AS of_attempt
    FROM dead_letters FINAL
) AS own
LEFT JOIN
(
    SELECT
        concat(log_id, '/', toString(partition), '/', toString(log_offset)) AS first_place,
        ifNull(key, '') AS held_key, ifNull(value, '') AS held_value, detail = 'erased' AS erased
    FROM dead_letters FINAL
    WHERE first_place IN (
        SELECT arrayFirst(header -> header.name = 'touchstream-replay-of', headers).value FROM dead_letters)
) AS first ON first.first_place = own.claimed
LEFT JOIN (SELECT letter, max(attempt) AS attempts FROM dead_letter_replays GROUP BY letter) AS sent ON sent.letter = own.claimed
