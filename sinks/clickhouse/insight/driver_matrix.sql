-- One row for each person who answered the target and one of the drivers `items`: `target_score`, the mean of the
-- answers, or the share of them from `lowest` to `highest` where `shares`; and `scores`, the mean answer to each driver,
-- NaN where there is none. Of too many people one in `one_in`, always the same, in one order. `driver_answers`: the file.
SELECT
    target_score,
    arrayMap(name -> if(has(names, name), means[indexOf(names, name)], nan), {items:Array(String)}) AS scores
FROM
(
    SELECT
        known, person,
        groupArrayIf(item, NOT target) AS names, groupArrayIf(mean, NOT target) AS means,
        anyIf(if({shares:Bool}, share, mean), target) AS target_score
    FROM
    (
        SELECT
            known, person, target, item,
            avg(score) AS mean, avg(score >= {lowest:Int32} AND score <= {highest:Int32}) AS share
        FROM ({driver_answers})
        WHERE cityHash64(person) % {one_in:UInt32} = 0 AND (target OR has({items:Array(String)}, item))
        GROUP BY known, person, target, item
    )
    GROUP BY known, person
    HAVING countIf(target) > 0 AND countIf(NOT target) > 0
)
ORDER BY cityHash64(known, person), person
