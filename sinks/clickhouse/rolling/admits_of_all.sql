-- No group has a rolling row of its own without the groups that it is part of. Part of a SELECT list, over admits.sql.
undecided OR admitted_each[1] AS journey_in,
undecided OR (journey_in AND admitted_each[2]) AS stage_in,
undecided OR (stage_in AND admitted_each[3]) AS channel_in,
undecided OR (stage_in AND admitted_each[4]) AS segment_in,
undecided OR (channel_in AND segment_in AND admitted_each[5]) AS cross_in
