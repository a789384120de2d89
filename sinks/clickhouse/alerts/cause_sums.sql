-- What panes have of each group of a dimension in the period of an alert (0) and in those before (from 1 on), [from, to) in
-- milliseconds, in the groups that the alert looks at; those with most first. `columns`: one bin each, or an array of bins.
SELECT name, period, sumForEach(bins) AS counts
FROM
(
    SELECT
        toString({by:Identifier}) AS name,
        arrayFirstIndex(
            (from_ms, to_ms, resolution) -> resolution = resolution_s
                AND toUnixTimestamp64Milli(pane_start) >= from_ms AND toUnixTimestamp64Milli(pane_start) < to_ms,
            {froms:Array(Int64)}, {tos:Array(Int64)}, {resolutions:Array(UInt32)}) - 1 AS period,
        arrayFlatten([{columns}]) AS bins
    FROM stage_panes FINAL
    WHERE has({resolutions:Array(UInt32)}, resolution_s)
      AND pane_start >= fromUnixTimestamp64Milli(arrayMin({froms:Array(Int64)}), 'UTC')
      AND pane_start < fromUnixTimestamp64Milli(arrayMax({tos:Array(Int64)}), 'UTC')
      AND arrayAll(
        (place, found) -> empty(place) OR place[1] = found,
        {places:Array(Array(String))}, [toString(journey), toString(stage), toString(channel), toString(segment)])
)
WHERE period >= 0
GROUP BY name, period
ORDER BY arraySum(counts) DESC
LIMIT {most:UInt32}
