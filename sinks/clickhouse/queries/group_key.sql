-- The key of a group (docs/decisions/0018): of each dimension that the row has one name of, (dimension, name). Null: all
-- together. An expression over by_journey, by_stage, by_channel and by_segment.
CAST(arrayMap(one -> (one.1, assumeNotNull(one.2)), arrayFilter(one -> isNotNull(one.2), [
    ('journey', CAST(by_journey, 'Nullable(String)')), ('stage', CAST(by_stage, 'Nullable(String)')),
    ('channel', CAST(by_channel, 'Nullable(String)')), ('segment', CAST(by_segment, 'Nullable(String)'))])),
    'Array(Tuple(LowCardinality(String), String))')
