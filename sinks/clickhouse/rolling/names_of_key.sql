-- The columns of stage_metrics that follow from a group's key, where a query has the key only. Part of a SELECT list.
arrayFilter(dimension -> endsWith(dimension, '_other'), arrayMap(one -> toString(one.1), group_key)) AS other,
arrayMap(
    dimension -> if(has(group_key.1, dimension), group_key[indexOf(group_key.1, dimension)].2, NULL),
    ['journey', 'stage', 'channel', 'segment']) AS names_,
names_[1] AS journey, names_[2] AS stage, names_[3] AS channel, names_[4] AS segment
