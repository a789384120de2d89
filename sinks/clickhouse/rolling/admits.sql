-- Whether each of the groups that a row with journey, stage, channel and segment counts in has rolling rows of its own: journey;
-- with stage; with channel, with segment, and with both. Before a topic's first decision all have. Part of a SELECT list.
-- One IN for all: ClickHouse plans each with its list. `admitted_keys`: the file.
(SELECT count() FROM series WHERE topic = {topic:String}) = 0 AS undecided,
arrayMap(key -> key IN ({admitted_keys}), [
    cityHash64('journey', journey, '', '', ''),
    cityHash64('stage', journey, stage, '', ''),
    cityHash64('channel', journey, stage, channel, ''),
    cityHash64('segment', journey, stage, '', segment),
    cityHash64('cross', journey, stage, channel, segment)]) AS admitted_each
