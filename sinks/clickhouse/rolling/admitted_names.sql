-- A row's names, without those that count as other, and which those are: no group has a rolling row of its own without the groups
-- that it is part of. Part of a SELECT list, over admits.sql. What is of all of a row's groups is written out: an expression that
-- is named in another would be copied into it anyway.
(undecided OR admitted_each[1],
 undecided OR admitted_each[1] AND admitted_each[2],
 undecided OR admitted_each[1] AND admitted_each[2] AND admitted_each[3],
 undecided OR admitted_each[1] AND admitted_each[2] AND admitted_each[4],
 undecided OR admitted_each[1] AND admitted_each[2] AND admitted_each[3] AND admitted_each[4] AND admitted_each[5]) AS own,
if(undecided OR admitted_each[1], journey, '') AS own_journey,
if(undecided OR admitted_each[1] AND admitted_each[2], stage, '') AS own_stage,
if(undecided OR admitted_each[1] AND admitted_each[2] AND admitted_each[3], channel, '') AS own_channel,
if(undecided OR admitted_each[1] AND admitted_each[2] AND admitted_each[4], segment, '') AS own_segment
