-- Each journey's way as the definitions in force have it. `stages` and `befores` belong together: from where `stages[i]` is
-- progress, a bit for each place in `stages` (which has 200 at most). Durations in milliseconds, 0 where none is declared.
SELECT
    journey,
    groupArray(toString(stage)) AS stages,
    arrayMap(reached -> arrayReduce('groupBitOr', arrayPushBack(arrayMap(
        (later_, place) -> if(has(later_, reached), bitShiftLeft(toUInt256(1), place), toUInt256(0)),
        groupArray(later), arrayEnumerate(stages)), toUInt256(0))), stages) AS befores,
    groupArrayIf(toString(stage), starts) AS starts_,
    groupArrayIf(toString(stage), ends)   AS ends_,
    any(ifNull(new_after_ms, 0))          AS new_after
FROM ({stages_in_force})
GROUP BY journey
