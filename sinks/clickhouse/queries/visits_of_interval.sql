-- Visits that began in [raw_from, raw_to), by person and time. `visits`: visits.sql.
SELECT
    * EXCEPT (position),
    multiIf(
        isNotNull(progressed_ms) AND ifNull(progressed_ms - entered_ms <= timeout_ms, true), 'progressed',
        ifNull(entered_ms + timeout_ms < {watermark_ms:Int64}, false), if(isNull(progressed_ms), 'dropped', 'recovered'),
        'open') AS outcome
FROM ({visits})
WHERE entered_ms >= {raw_from:Int64} AND entered_ms < {raw_to:Int64}
ORDER BY journey, known DESC, person, entered_ms, pass, visit
