-- One row for each visit of a person to a stage. `visits`: visits.sql.
-- Under a null stands a number that is no time, and drivers read it: hence `least`, to the last day that can be written.
CREATE OR REPLACE VIEW journey_visits AS
SELECT
    journey, known, person, pass, after_end, visit, stage, channel, touchpoint, segment,
    fromUnixTimestamp64Milli(entered_ms, 'UTC') AS entered_at,
    fromUnixTimestamp64Milli(last_ms, 'UTC')    AS last_touch_at,
    touches,
    if(isNull(left_ms), NULL, fromUnixTimestamp64Milli(least(assumeNotNull(left_ms), 10413791999999), 'UTC'))
        AS left_at,
    next_stage, across,
    if(isNull(progressed_ms), NULL, fromUnixTimestamp64Milli(least(assumeNotNull(progressed_ms), 10413791999999), 'UTC'))
        AS progressed_at,
    timeout_ms
FROM ({visits})
