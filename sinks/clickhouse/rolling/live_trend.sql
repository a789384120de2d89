-- What a rolling window said of some stages at its ticks in (from_ms, tick_ms], by stage and tick.
SELECT
    assumeNotNull(stage) AS stage, toUnixTimestamp64Milli(tick) AS at_ms, completeness,
    touches, customers, nps, csat, ces, success_rate, duration_ms_p50
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND window = {window:String}
  AND tick >  fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND tick <= fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
  AND group_key IN {keys:Array(Array(Tuple(String, String)))}
ORDER BY stage, tick
