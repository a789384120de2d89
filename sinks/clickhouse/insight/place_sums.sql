-- Sums over the people of each place before (b) `before_to` and from `after_from` on (a), as `PlaceSums` has them, for the
-- places with the most people and those that are `named`, at most `most` besides these; n, mean and variance of people's
-- own means for a split of people. `person_values`: the file.
SELECT
    place, count() OVER () AS places,
    countIf(kb > 0) AS people_b, countIf(ka > 0) AS people_a,
    sum(kb) AS sum_kb, sum(ka) AS sum_ka, sum(sb) AS sum_sb, sum(sa) AS sum_sa,
    sum(sb * sb) AS sb_sb, sum(sb * kb) AS sb_kb, sum(kb * kb) AS kb_kb,
    sum(sa * sa) AS sa_sa, sum(sa * ka) AS sa_ka, sum(ka * ka) AS ka_ka,
    sum(sb * sa) AS sb_sa, sum(sb * ka) AS sb_ka, sum(sa * kb) AS sa_kb, sum(kb * ka) AS kb_ka,
    avgIf(sb / kb, kb > 0) AS mean_b, avgIf(sa / ka, ka > 0) AS mean_a,
    varSampStableIf(sb / kb, kb > 0) AS variance_b, varSampStableIf(sa / ka, ka > 0) AS variance_a
FROM
(
    SELECT
        place,
        toFloat64(countIf(at_ms < {before_to:Int64})) AS kb, toFloat64(countIf(at_ms >= {after_from:Int64})) AS ka,
        sumIf(value, at_ms < {before_to:Int64}) AS sb, sumIf(value, at_ms >= {after_from:Int64}) AS sa
    FROM ({person_values})
    WHERE at_ms < {before_to:Int64} OR at_ms >= {after_from:Int64}
    GROUP BY known, person, place
)
GROUP BY place
ORDER BY has({named:Array(String)}, place) DESC, count() DESC, place
LIMIT {most:UInt32}
