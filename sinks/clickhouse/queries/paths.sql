-- Each journey's way as the definitions in force have it. `stages` and `befores` belong together: where `stages[i]` is
-- progress from. Durations in milliseconds, 0 where none is declared.
SELECT
    journey,
    groupArray(toString(stage)) AS stages,
    arrayMap(reached -> arrayFilter((stage_, later_) -> has(later_, reached), stages, groupArray(later)), stages) AS befores,
    groupArrayIf(toString(stage), starts) AS starts_,
    groupArrayIf(toString(stage), ends)   AS ends_,
    any(ifNull(new_after_ms, 0))          AS new_after
FROM ({stages_in_force})
GROUP BY journey
