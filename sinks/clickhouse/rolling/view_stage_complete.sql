-- The newest complete rolling row of each group: what alerts are judged by.
CREATE OR REPLACE VIEW stage_complete AS
SELECT dimensions, other, journey, stage, channel, segment, *
FROM stage_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM stage_metrics WHERE completeness = 1 AND tick > now() - toIntervalHour(26) GROUP BY topic, window)
  AND completeness = 1
