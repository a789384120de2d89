-- The newest row of each stage in each window; of the whole journey where stage is null.
CREATE OR REPLACE VIEW journey_now AS
SELECT dimensions, journey, stage, *
FROM journey_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM journey_metrics WHERE tick > now() - toIntervalDay(2) GROUP BY topic, window)
