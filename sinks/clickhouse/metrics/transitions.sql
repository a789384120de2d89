-- Moves from stage to stage that happened in [raw_from, raw_to), the most frequent first: every visit but a person's first
-- is one. across_passes: those of them that begin another pass, or follow one that is over. `visits`: visits.sql.
SELECT
    journey, stage AS from_stage, next_stage AS to_stage,
    toInt64(count())                    AS transitions,
    toInt64(countIf(across))            AS across_passes,
    toInt64(uniqExact(known, person))   AS customers,
    quantileExact(0.5)(left_ms - entered_ms)  AS dwell_ms_p50,
    quantileExact(0.95)(left_ms - entered_ms) AS dwell_ms_p95
FROM ({visits})
WHERE left_ms >= {raw_from:Int64} AND left_ms < {raw_to:Int64}
  AND (empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey))
GROUP BY journey, from_stage, to_stage
ORDER BY transitions DESC, journey, from_stage, to_stage
