-- The rolling rows of a journey's stages at one tick, after that of the whole journey (stage null; of all channels and
-- segments only) and that of all stages without a row of their own. At most {most}: the declared stages first, in their order,
-- then those with the most touches. {chosen}: the channel and the segment that are looked at, as in a group's key. `names` and
-- `all_touches` are of all stages with rows of their own, so that it can be said what was left out. `live_tick`: live_tick.sql.
SELECT
    * EXCEPT (dimensions, group_key),
    countIf(isNotNull(stage) AND empty(other)) OVER ()        AS names,
    sumIf(touches, isNotNull(stage) AND empty(other)) OVER () AS all_touches
FROM {live_tick}
WHERE arrayFilter(one -> one.1 IN ('channel', 'segment', 'channel_other', 'segment_other'), group_key) = {chosen:Array(Tuple(String, String))}
ORDER BY
    isNull(stage) DESC, notEmpty(other) DESC,
    has({declared:Array(String)}, ifNull(stage, '')) DESC, indexOf({declared:Array(String)}, ifNull(stage, '')),
    touches DESC, stage
LIMIT {most:UInt32}
