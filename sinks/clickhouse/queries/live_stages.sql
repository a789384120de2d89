-- The rolling rows of a journey's stages at one tick, after that of the whole journey (`*`: of all channels and segments
-- only). At most {most}: the declared stages first, in their order, then those with the most touches. `names` and
-- `all_touches` count all stages, so that it can be said what was left out. `live_tick`: live_tick.sql.
SELECT
    *,
    countIf(stage != '*') OVER ()        AS names,
    sumIf(touches, stage != '*') OVER () AS all_touches
FROM {live_tick}
WHERE channel = {channel:String} AND segment = {segment:String}
ORDER BY
    stage = '*' DESC,
    has({declared:Array(String)}, stage) DESC, indexOf({declared:Array(String)}, stage),
    touches DESC, stage
LIMIT {most:UInt32}
