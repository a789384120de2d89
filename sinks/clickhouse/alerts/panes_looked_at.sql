-- Panes of one resolution in [from_ms, to_ms) of the groups that a rule looks at, {places} and {each} as in alert_groups.sql:
-- each with its group, and its bins: `columns` are of stage_panes, one bin each, or an array of bins.
SELECT
    pane_start,
    arrayMap(one -> (one.1, one.2), arrayFilter(
        (one, kept) -> kept,
        [('journey', toString(journey)), ('stage', toString(stage)), ('channel', toString(channel)), ('segment', toString(segment))],
        arrayMap((each_, place) -> each_ OR notEmpty(place), {each:Array(Bool)}, {places:Array(Array(String))}))) AS group_key_,
    arrayFlatten([{columns}]) AS bins
FROM stage_panes FINAL
WHERE resolution_s = {resolution_s:UInt32}
  AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND pane_start < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND arrayAll(
    (place, found) -> empty(place) OR place[1] = found,
    {places:Array(Array(String))}, [toString(journey), toString(stage), toString(channel), toString(segment)])
