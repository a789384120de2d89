-- What a rolling row says of a metric: of its column, or, where {instrument} names one's metric, of what the row keeps of instruments.
-- Part of a SELECT list.
if(empty({instrument:String}), toFloat64OrNull(toString({value:Identifier})), instruments[{instrument:String}]) AS value,
if(empty({instrument:String}), toInt64({n:Identifier}), toInt64(ifNull(instruments[concat({instrument:String}, '_n')], 0))) AS n,
if(empty({instrument:String}), toFloat64OrNull(toString({low:Identifier})), instruments[concat({instrument:String}, '_low')]) AS low,
if(empty({instrument:String}), toFloat64OrNull(toString({high:Identifier})), instruments[concat({instrument:String}, '_high')]) AS high
