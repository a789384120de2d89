-- Each person's touches in a journey in their order, an array of (at_ms, event_id, stage, channel, touchpoint, segment,
-- row): the order is that of all of it, and `row` tells touches apart that agree in all else. An event that was inserted
-- twice stands twice in the table until a merge, and once here. People whom no stage is known of are left out.
-- `touches`, `touch_details`, `scope`, `stages_in_force`: as in visits.sql. Undeclared touches are wanted only where a
-- silence begins another pass.
SELECT
    journey, known, person,
    arrayCompact(arraySort(groupArray((at_ms, event_id, toString(stage), {touch_details}, row)))) AS person_touches
FROM ({touches})
WHERE ({scope})
  AND (stage != 'undeclared' OR journey IN (SELECT journey FROM ({stages_in_force}) WHERE new_after_ms > 0))
GROUP BY journey, known, person
HAVING countIf(stage != 'undeclared') > 0
