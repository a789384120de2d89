-- The groups that a rule looks at: of journey, stage, channel and segment {places} has the name to look at, or [] for all
-- together, and {each} says of which every name is looked at. What has no row of its own is no name. A condition.
empty(other) AND arrayAll(
    (each_, place, found) -> multiIf(each_, isNotNull(found), empty(place), isNull(found), ifNull(found = place[1], false)),
    {each:Array(Bool)}, {places:Array(Array(String))}, [journey, stage, channel, segment])
