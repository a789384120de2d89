-- The rolling rows of a stage's channels at one tick: at most {most}, those with the most touches. {chosen}: the stage and the
-- segment that are looked at, as in a group's key. `names` and `all_touches` count all channels. `live_tick`: live_tick.sql.
SELECT * EXCEPT (dimensions, group_key), count() OVER () AS names, sum(touches) OVER () AS all_touches
FROM {live_tick}
WHERE has(dimensions, 'channel')
  AND arrayFilter(one -> one.1 IN ('stage', 'segment'), group_key) = {chosen:Array(Tuple(String, String))}
ORDER BY touches DESC, channel
LIMIT {most:UInt32}
