-- Visits: each run of a person's touches in one stage, in the order of (occurred_at, event_id), within one pass of the
-- journey. What no stage is known of (`undeclared`) moves nobody. `touches`, `paths`, `stages_in_force`: the files;
-- `touch_details`: channel, touchpoint and segment, or nothing in their place where nobody asks (undetailed.sql);
-- `scope`: a condition on touches that keeps all or none of a person's in a journey.
-- left_ms, progressed_ms: null where nothing came after. Times are milliseconds since 1970.
SELECT
    journey, known, person, pass, visit, stage, channel, touchpoint, segment,
    entered_ms, last_ms, touches, next_stage,
    nullIf(next_ms, 9223372036854775807)  AS left_ms,
    nullIf(later_ms, 9223372036854775807) AS progressed_ms,
    way.timeout_ms AS timeout_ms, way.position AS position
FROM
(
    SELECT
        journey, known, person, pass, visit, run.1 AS entered_ms, run.3 AS stage, run.4 AS channel, run.5 AS touchpoint,
        run.6 AS segment, last_ms, touches, next_ms, next_stage, later_ms
    FROM
    (
        WITH
            9223372036854775807 AS never,
            arraySplit((one, before) -> one.3 != before.3, pass_touches, arrayPushFront(arrayPopBack(pass_touches), pass_touches[1])) AS runs,
            arrayMap(one -> one[1].3, runs) AS run_stages,
            arrayMap(one -> one[1].1, runs) AS run_entered
        SELECT
            journey, known, person, pass,
            arrayMap(one -> one[1], runs) AS firsts,
            arrayMap(one -> one[-1].1, runs) AS lasts,
            -- An event that was inserted twice stands twice until a merge.
            arrayMap(one -> toUInt64(length(arrayDistinct(arrayMap(touch -> (touch.1, touch.2), one)))), runs) AS counts,
            arrayPushBack(arrayPopFront(run_entered), never) AS lefts,
            arrayPushBack(arrayPopFront(run_stages), '') AS nexts,
            -- For each stage that can be progress: when it is next entered after each visit, and where that counts.
            arrayResize(arrayReduce('minForEach', arrayMap((reached, before) -> arrayMap(
                (stage_, entered_) -> if(has(before, stage_), entered_, never),
                run_stages,
                arrayPopFront(arrayReverseFill(entered_ -> entered_ != never, arrayPushBack(
                    arrayMap((stage_, entered_) -> if(stage_ = reached, entered_, never), run_stages, run_entered), never)))),
                stages, befores)), length(runs), never) AS progress
        FROM
        (
            SELECT journey, known, person, stages, befores, pass_touches, pass
            FROM
            (
                SELECT
                    people.journey AS journey, known, person, stages, befores,
                    arraySplit((one, before) ->
                        (new_after > 0 AND one.1 - before.1 >= new_after)
                        OR (one.3 != before.3 AND has(ends_, before.3) AND (empty(starts_) OR has(starts_, one.3))),
                        person_touches, arrayPushFront(arrayPopBack(person_touches), person_touches[1])) AS split
                FROM
                (
                    SELECT
                        journey, known, person,
                        arraySort(one -> (one.1, one.2), groupArray(
                            (at_ms, event_id, toString(stage), {touch_details})
                        )) AS person_touches
                    FROM ({touches})
                    WHERE stage != 'undeclared' AND ({scope})
                    GROUP BY journey, known, person
                ) AS people
                LEFT ANY JOIN ({paths}) AS paths ON people.journey = paths.journey
            )
            ARRAY JOIN split AS pass_touches, arrayEnumerate(split) AS pass
        )
    )
    ARRAY JOIN
        firsts AS run, lasts AS last_ms, counts AS touches, lefts AS next_ms, nexts AS next_stage,
        progress AS later_ms, arrayEnumerate(firsts) AS visit
) AS found
LEFT ANY JOIN ({stages_in_force}) AS way ON found.journey = way.journey AND found.stage = way.stage
