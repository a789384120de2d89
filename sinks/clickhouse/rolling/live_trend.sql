-- The rows of a rolling window for some stages at its ticks in (from_ms, tick_ms], by stage and tick.
-- `metrics`: names of columns, and fields of instruments.
WITH
{fields_of_instruments}
SELECT
    assumeNotNull(stage) AS stage, toUnixTimestamp64Milli(tick) AS at_ms, completeness, {metrics}
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND window = {window:String}
  AND tick >  fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND tick <= fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
  AND group_key IN {keys:Array(Array(Tuple(String, String)))}
ORDER BY stage, tick
