-- Rows of `alert_changes` as they were, where `*` stood for all together, into the table that takes its place.
INSERT INTO alert_changes_rebuilt
SELECT
    topic, rule,
    CAST(arrayFilter(one -> one.2 != '*', [('journey', toString(journey)), ('stage', toString(stage)), ('channel', toString(channel)), ('segment', toString(segment))]), 'Array(Tuple(LowCardinality(String), String))') AS group_key,
    * EXCEPT (topic, rule, journey, stage, channel, segment)
FROM alert_changes FINAL
