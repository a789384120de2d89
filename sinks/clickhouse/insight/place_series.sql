-- The mean of the changed places and of the others, and their people, in spans of `span_ms` from the start of the
-- interval on: the course of both before and after. Only `places`. `person_values`: the file.
SELECT
    intDiv(at_ms - {raw_from:Int64}, {span_ms:Int64}) AS span, has({named:Array(String)}, place) AS changed,
    avg(value) AS mean, uniqExact(known, person) AS people
FROM ({person_values})
WHERE has({places:Array(String)}, place)
GROUP BY span, changed
ORDER BY span, changed
