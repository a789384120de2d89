-- Groups that are known without any pane, each with its window's number in {cuts}: those that have a rolling row also where nothing
-- counts in it, which have rows of their own and were heard of within a week (series_decided.sql says of whom that is kept), or
-- which the table has a row of at the tick; and those whose design effects were measured.
SELECT
    arrayJoin(arrayFilter(
        cut_ -> toUnixTimestamp64Milli(one.heard_at) < {cuts:Array(Array(Int64))}[cut_][8]
            AND toUnixTimestamp64Milli(one.heard_at) >= {cuts:Array(Array(Int64))}[cut_][8] - 604800000,
        arrayEnumerate({cuts:Array(Array(Int64))}))) AS cut,
    CAST(arrayConcat(
        [('journey', one.journey)],
        if(kind = 'journey', [], [('stage', one.stage)]),
        if(kind IN ('channel', 'cross'), [('channel', one.channel)], []),
        if(kind IN ('segment', 'cross'), [('segment', one.segment)], [])),
        'Array(Tuple(LowCardinality(String), String))') AS group_key,
    CAST(map(), 'Map(LowCardinality(String), Float32)') AS effects, false AS measured
FROM series FINAL
ARRAY JOIN admitted AS one
WHERE topic = {topic:String}
UNION ALL
SELECT
    arrayJoin(arrayFilter(
        (cut_, window_) -> window_ = window AND toUnixTimestamp64Milli(tick) = {cuts:Array(Array(Int64))}[cut_][8],
        arrayEnumerate({cuts:Array(Array(Int64))}), {windows:Array(String)})) AS cut,
    group_key, CAST(map(), 'Map(LowCardinality(String), Float32)'), false
FROM stage_metrics
WHERE topic = {topic:String} AND has({windows:Array(String)}, window)
  AND tick >= fromUnixTimestamp64Milli({raw_to_min:Int64}, 'UTC') AND tick <= fromUnixTimestamp64Milli({raw_to_max:Int64}, 'UTC')
UNION ALL
SELECT
    arrayJoin(arrayFilter((cut_, window_) -> window_ = window, arrayEnumerate({windows:Array(String)}), {windows:Array(String)})) AS cut,
    group_key, effects, true
FROM design_effects FINAL
WHERE topic = {topic:String} AND has({windows:Array(String)}, window) AND notEmpty(group_key)
