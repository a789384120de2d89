-- The groups to keep, by their dimensions: of journey, stage, channel and segment each [] (whatever it is), [''] (all
-- together) or ['', name], in {kept}. A condition. Not nested deeper: ClickHouse can't tell the depth of [[], [], [], []].
arrayAll(
    (kept, found, dimension) -> empty(kept)
        OR if(length(kept) = 1, isNull(found), NOT has(other, dimension) AND ifNull(found = kept[2], false)),
    {kept:Array(Array(String))}, [journey, stage, channel, segment],
    ['journey_other', 'stage_other', 'channel_other', 'segment_other'])
