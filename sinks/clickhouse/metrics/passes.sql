-- How long the passes that began in [raw_from, raw_to) last, from their first touch to their last so far, by journey
-- ('' for all). What follows the end of a pass belongs to none. `visits`: the file.
SELECT
    by_journey AS journey,
    toInt64(count()) AS passes,
    avg(duration_ms) AS pass_ms_mean,
    quantileExact(0.5)(duration_ms) AS pass_ms_p50,
    quantileExact(0.95)(duration_ms) AS pass_ms_p95
FROM
(
    SELECT
        if(has({by:Array(String)}, 'journey'), journey, '') AS by_journey, journey, known, person, pass,
        min(entered_ms) AS began_ms, max(last_ms) - began_ms AS duration_ms
    FROM ({visits})
    WHERE NOT after_end AND (empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey))
    GROUP BY journey, known, person, pass
)
WHERE began_ms >= {raw_from:Int64} AND began_ms < {raw_to:Int64}
GROUP BY by_journey
