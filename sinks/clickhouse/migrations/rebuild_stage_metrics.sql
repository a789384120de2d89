-- Rows of `stage_metrics` as they were, where `*` stood for all together, into the table that takes its place.
INSERT INTO stage_metrics_rebuilt
SELECT
    topic, window, tick,
    CAST(arrayFilter(one -> one.2 != '*', [('journey', toString(journey)), ('stage', toString(stage)), ('channel', toString(channel)), ('segment', toString(segment))]), 'Array(Tuple(LowCardinality(String), String))') AS group_key,
    * EXCEPT (topic, window, tick, journey, stage, channel, segment)
FROM stage_metrics FINAL
