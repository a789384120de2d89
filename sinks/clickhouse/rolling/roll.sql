-- Write what rolling windows say at their ticks: the metrics of [tick - window, tick) for the groups of rolling_sums.sql.
-- {windows} are the names of those in {cuts} (windows_panes.sql): planning this costs more than its rows, so all windows that
-- are due share it. Each SELECT around another costs a plan of all that is in it, so there are few. Completeness is that of
-- completeness.sql. Both lists of columns are the same text. `customers_counted`, `rolling_source`: the files.
INSERT INTO stage_metrics ({rolling_columns})
WITH
    (SELECT groupArray(watermark_ms) FROM ({lanes})) AS watermarks,
    {topic:String} AS topic,
    {windows:Array(String)}[place.1] AS window,
    {cuts:Array(Array(Int64))}[place.1][8] AS tick_ms,
    fromUnixTimestamp64Milli(tick_ms, 'UTC') AS tick,
    place.2 AS group_key,
    place.3 AS other_names,
    if(empty(watermarks), 0, arrayCount(mark -> mark >= tick_ms, watermarks) / length(watermarks)) AS completeness,
    {customers_counted} AS customers,
    {instruments_of_row} AS instruments
SELECT {rolling_columns}
FROM {rolling_source},
-- Compiled expressions pay off over millions of rows; here they are hundreds, and planned every second.
compile_expressions = 0
