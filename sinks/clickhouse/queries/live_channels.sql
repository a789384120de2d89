-- The rolling rows of a stage's channels at one tick: at most {most}, those with the most touches. `names` and
-- `all_touches` count all channels. `live_tick`: live_tick.sql.
SELECT *, count() OVER () AS names, sum(touches) OVER () AS all_touches
FROM {live_tick}
WHERE stage = {stage:String} AND channel != '*' AND segment = {segment:String}
ORDER BY touches DESC, channel
LIMIT {most:UInt32}
