-- The keys of the five groups that a row of admitted_names.sql counts in: journey; with stage; with channel, with segment,
-- and with both. What has no row of its own is under a dimension of its own, so that no name can be taken for it
-- (docs/decisions/0019). An expression.
arrayMap(
    key -> CAST(key, 'Array(Tuple(LowCardinality(String), String))'),
    arrayMap(
        parts -> arrayMap(part -> [
            (if(own.1, 'journey', 'journey_other'), own_journey),
            (if(own.2, 'stage', 'stage_other'), own_stage),
            (if(own.3, 'channel', 'channel_other'), own_channel),
            (if(own.4, 'segment', 'segment_other'), own_segment),
            (if(own.5, 'segment', 'segment_other'), if(own.5, own_segment, ''))][part], parts),
        [[1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 3, 5]]))
