-- The same as alert_readings.sql at one tick, from the panes as they are now, as roll.sql has it; nothing where the window
-- is not complete yet. `metrics_of_sums` of rolling_sums.sql.
SELECT
    {raw_to:Int64} AS tick_ms, journey, stage, channel, segment,
    toFloat64OrNull(toString({value:Identifier})) AS value,
    {n:Identifier}    AS n,
    {low:Identifier}  AS low,
    {high:Identifier} AS high
FROM ({metrics_of_sums}) AS metrics
LEFT JOIN ({rolling_customers}) AS people
    ON journey = journey_ AND stage = stage_ AND channel = channel_ AND segment = segment_
WHERE (SELECT completeness FROM ({completeness})) = 1
  AND {alert_groups}
ORDER BY journey, stage, channel, segment
LIMIT {most:UInt32}
SETTINGS join_use_nulls = 1
