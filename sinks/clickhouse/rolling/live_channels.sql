-- The rolling rows of a stage's channels at one tick: at most {most}, those with the most touches, behind the row of all that
-- have none of their own. {chosen}: the stage and the segment that are looked at, as in a group's key. `names` and
-- `all_touches` are of all channels with rows of their own. `live_tick`: live_tick.sql.
SELECT
    * EXCEPT (dimensions, group_key),
    countIf(empty(other)) OVER ()        AS names,
    sumIf(touches, empty(other)) OVER () AS all_touches
FROM {live_tick}
WHERE hasAny(dimensions, ['channel', 'channel_other'])
  AND arrayFilter(one -> one.1 IN ('stage', 'segment', 'stage_other', 'segment_other'), group_key) = {chosen:Array(Tuple(String, String))}
ORDER BY notEmpty(other) DESC, touches DESC, channel
LIMIT {most:UInt32}
