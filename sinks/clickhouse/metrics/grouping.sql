-- One row for each of the groups of groups.sql. What stands in GROUP BY.
by_journey, by_stage, by_channel, by_touchpoint, by_segment
