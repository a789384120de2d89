-- Write what rolling windows say at their ticks: the metrics of [tick - window, tick) for the groups of rolling_sums.sql.
-- {windows} are the names of those in {cuts} (windows_panes.sql): planning this costs more than its rows, so all windows that
-- are due share it. Completeness is that of completeness.sql. Both lists of columns are the same text.
INSERT INTO stage_metrics ({rolling_columns})
WITH (SELECT groupArray(watermark_ms) FROM ({lanes})) AS watermarks
SELECT {rolling_columns}
FROM
(
    SELECT
        {topic:String} AS topic,
        {windows:Array(String)}[cut] AS window,
        fromUnixTimestamp64Milli({cuts:Array(Array(Int64))}[cut][8], 'UTC') AS tick,
        if(empty(watermarks), 0, arrayCount(mark -> mark >= {cuts:Array(Array(Int64))}[cut][8], watermarks) / length(watermarks))
            AS completeness,
        *
    FROM ({rolling_measured})
)
-- Compiled expressions pay off over millions of rows; here they are hundreds, and planned every second.
SETTINGS compile_expressions = 0
