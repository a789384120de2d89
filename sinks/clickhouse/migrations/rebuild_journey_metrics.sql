-- Rows of `journey_metrics` as they were, where `*` stood for all together, into the table that takes its place.
INSERT INTO journey_metrics_rebuilt
SELECT
    topic, window, tick,
    CAST(arrayFilter(one -> one.2 != '*', [('journey', toString(journey)), ('stage', toString(stage))]), 'Array(Tuple(LowCardinality(String), String))') AS group_key,
    * EXCEPT (topic, window, tick, journey, stage)
FROM journey_metrics FINAL
