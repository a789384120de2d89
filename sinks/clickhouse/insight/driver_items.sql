-- Which drivers there are: how many people answered each and the target as well, the most first, at most `most`; and
-- how many there are in all. `driver_answers`: the file.
SELECT item, people, count() OVER () AS items
FROM
(
    SELECT item, count() AS people
    FROM
    (
        SELECT arrayJoin(groupUniqArrayIf(item, NOT target)) AS item
        FROM ({driver_answers})
        GROUP BY known, person
        HAVING countIf(target) > 0
    )
    GROUP BY item
)
ORDER BY people DESC, item
LIMIT {most:UInt32}
