-- The newest rolling row of each group, the live one: its window reaches to the next tick, so that it is not complete.
CREATE OR REPLACE VIEW stage_now AS
SELECT dimensions, other, journey, stage, channel, segment, *
FROM stage_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM stage_metrics WHERE tick > now() - toIntervalHour(2) GROUP BY topic, window)
