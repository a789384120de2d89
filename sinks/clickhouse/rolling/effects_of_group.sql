-- The design effects that were measured lately of the group of a row of rolling_sums.sql, else of all events. Part of a SELECT
-- list. `effects_of_all`: the file.
({effects_of_all}) AS effects_of_all,
multiIf(
    sum_touches = 0, CAST(map(), 'Map(LowCardinality(String), Float32)'),
    own_measured, own_effects,
    effects_of_all[{windows:Array(String)}[by_place.1]]) AS effects
