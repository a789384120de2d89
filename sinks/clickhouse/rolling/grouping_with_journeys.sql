-- One row for each stage, and one for each journey, whose stage is ''. What stands in GROUP BY.
GROUPING SETS
    ((by_journey, by_channel, by_touchpoint, by_segment), (by_journey, by_stage, by_channel, by_touchpoint, by_segment))
