-- Visits: each run of a person's touches in one stage, within one pass of the journey; docs/journeys.md has the
-- definitions. A touch in no declared stage (`undeclared`) is no move, but breaks a silence. `touches`, `journey_paths`,
-- `stages_in_force`: the files; `touch_details`: channel, touchpoint and segment, or nothing in their place where they are not
-- asked for (no_touch_details.sql); `scope`: a condition on touches that keeps all or none of a person's in a journey.
-- after_end: after the end of that pass, and before the next one begins. across: the next visit is not in the same pass.
-- left_ms, progressed_ms: null where nothing came after. Times are milliseconds since 1970.
-- Arrays go through functions side by side: one that a lambda only refers to would be copied for each element.
SELECT
    journey, known, person, pass, after_end, visit, stage, channel, touchpoint, segment,
    entered_ms, last_ms, touches, next_stage, across,
    nullIf(next_ms, 9223372036854775807)  AS left_ms,
    nullIf(later_ms, 9223372036854775807) AS progressed_ms,
    way.timeout_ms AS timeout_ms, way.position AS position, notEmpty(way.later) AS goes_on
FROM
(
    SELECT
        journey, known, person,
        run.1.1 AS entered_ms, run.1.3 AS stage, run.1.4 AS channel, run.1.5 AS touchpoint, run.1.6 AS segment,
        run.2 AS last_ms, run.3 AS touches, run.4 AS pass, toBool(run.5) AS after_end, run.6 AS visit,
        run.7 AS next_ms, run.8 AS next_stage, toBool(run.9) AS across, later_ms
    FROM
    (
        WITH
            9223372036854775807 AS never,
            stretch.1.1 AS run_entered,
            arrayMap(one -> toUInt8(indexOf(stages, one.1.3)), stretch) AS places, -- 0: in no journey
            arrayMap(place -> bitShiftLeft(toUInt256(1), place), places) AS bits
        SELECT
            journey, known, person, stretch,
            -- For each stage that can be progress: when it is next entered after each visit, and where that counts.
            arrayResize(arrayReduce('minForEach', arrayMap((reached, before) -> arrayMap(
                (bit, entered_) -> if(bitAnd(before, bit) != 0, entered_, never),
                bits,
                arrayPopFront(arrayReverseFill(entered_ -> entered_ != never, arrayPushBack(
                    arrayMap((place, entered_) -> if(place = reached, entered_, never), places, run_entered), never)))),
                arrayEnumerate(stages), befores)), length(stretch), never) AS progress
        FROM
        (
            SELECT
                journey, known, person, stages, befores,
                arrayZip(
                    firsts, lasts, counts, passes, after_ends, arrayEnumerate(firsts),
                    arrayPushBack(arrayPopFront(firsts.1), 9223372036854775807), arrayPushBack(arrayPopFront(firsts.3), ''),
                    arrayPushBack(arrayPopFront(borders), false)) AS runs,
                arraySplit((one, border) -> border, runs, borders) AS stretches
            FROM ({stage_runs})
        )
        ARRAY JOIN stretches AS stretch
    )
    ARRAY JOIN stretch AS run, progress AS later_ms
) AS found
LEFT ANY JOIN ({stages_in_force}) AS way ON found.journey = way.journey AND found.stage = way.stage
