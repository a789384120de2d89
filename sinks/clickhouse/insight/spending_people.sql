-- How many people answered so long ago that their `span_ms` afterwards have passed by `known_ms`, and how many later.
-- `first_answers`: the file.
SELECT
    countIf(answered_ms + {span_ms:Int64} <= {known_ms:Int64}) AS people,
    countIf(answered_ms + {span_ms:Int64} > {known_ms:Int64}) AS young
FROM ({first_answers})
