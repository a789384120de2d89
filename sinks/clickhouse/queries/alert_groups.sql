-- The groups that a rule looks at: `places` has for journey, stage, channel and segment the value to look at, `each` says
-- of which each value but `*` is looked at. A condition.
if({each:Array(Bool)}[1], journey != '*', journey = {places:Array(String)}[1])
AND if({each:Array(Bool)}[2], stage   != '*', stage   = {places:Array(String)}[2])
AND if({each:Array(Bool)}[3], channel != '*', channel = {places:Array(String)}[3])
AND if({each:Array(Bool)}[4], segment != '*', segment = {places:Array(String)}[4])
