-- The same as alert_readings.sql at one tick, from the panes as they are now, as roll.sql has it; nothing where the window
-- is not complete yet. `rolling_measured`, `names_of_key`: the files.
SELECT
    {raw_to:Int64} AS tick_ms, journey, stage, channel, segment,
    toFloat64OrNull(toString({value:Identifier})) AS value,
    {n:Identifier}    AS n,
    {low:Identifier}  AS low,
    {high:Identifier} AS high
FROM (SELECT *, {names_of_key} FROM ({rolling_measured}))
WHERE (SELECT completeness FROM ({completeness})) = 1
  AND {alert_groups}
ORDER BY group_key
LIMIT {most:UInt32}
