-- Groups that have a rolling row also where nothing counts in it: those that have rows of their own and were heard of within
-- a week, and those that the table has a row of at the tick. Each with its window's number in {cuts}.
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
        'Array(Tuple(LowCardinality(String), String))') AS group_key
FROM series FINAL
ARRAY JOIN admitted AS one
WHERE topic = {topic:String}
UNION ALL
SELECT
    arrayJoin(arrayFilter(
        (cut_, window_) -> window_ = window AND toUnixTimestamp64Milli(tick) = {cuts:Array(Array(Int64))}[cut_][8],
        arrayEnumerate({cuts:Array(Array(Int64))}), {windows:Array(String)})) AS cut,
    group_key
FROM stage_metrics
WHERE topic = {topic:String} AND has({windows:Array(String)}, window)
  AND tick >= fromUnixTimestamp64Milli({raw_to_min:Int64}, 'UTC') AND tick <= fromUnixTimestamp64Milli({raw_to_max:Int64}, 'UTC')
