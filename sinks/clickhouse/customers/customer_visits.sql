-- A person's newest visits, and before all others the newest of each journey (`current`): where the person is.
-- `visits_of_interval`: the file.
SELECT
    journey, pass, after_end, visit, stage, channel, touchpoint, entered_ms, last_ms, touches, next_stage, left_ms, progressed_ms,
    outcome, row_number() OVER (PARTITION BY journey ORDER BY visit DESC) = 1 AS current, count() OVER () AS total
FROM ({visits_of_interval})
ORDER BY current DESC, entered_ms DESC, journey, visit DESC
LIMIT {most:UInt32}
