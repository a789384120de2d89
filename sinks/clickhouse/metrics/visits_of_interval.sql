-- Visits that began in [raw_from, raw_to), by person and time. `visits`, `visit_decided`: the files.
WITH
{visit_decided}
SELECT
    * EXCEPT (position, goes_on),
    multiIf(in_time, 'progressed', NOT decided, 'open', isNull(progressed_ms), 'dropped', 'recovered') AS outcome
FROM ({visits})
WHERE entered_ms >= {raw_from:Int64} AND entered_ms < {raw_to:Int64}
ORDER BY journey, known DESC, person, visit
