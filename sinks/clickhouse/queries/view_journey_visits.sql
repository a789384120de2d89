-- One row for each visit of a person to a stage. `visits`: visits.sql.
CREATE OR REPLACE VIEW journey_visits AS
SELECT
    journey, known, person, pass, visit, stage, channel, touchpoint, segment,
    fromUnixTimestamp64Milli(entered_ms, 'UTC')    AS entered_at,
    fromUnixTimestamp64Milli(last_ms, 'UTC')       AS last_touch_at,
    touches,
    fromUnixTimestamp64Milli(left_ms, 'UTC')       AS left_at,
    next_stage,
    fromUnixTimestamp64Milli(progressed_ms, 'UTC') AS progressed_at,
    timeout_ms
FROM ({visits})
