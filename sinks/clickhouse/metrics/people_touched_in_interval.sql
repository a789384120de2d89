-- A scope of visits.sql: of people with a touch in [raw_from, raw_to), all touches. `touches`: touches.sql.
(journey, known, person) IN
(
    SELECT journey, known, person FROM ({touches}) WHERE at_ms >= {raw_from:Int64} AND at_ms < {raw_to:Int64}
)
