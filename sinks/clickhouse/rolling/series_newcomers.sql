-- Whether somewhere since from_ms there is a group without a rolling row of its own, of the kinds in {kinds}, that is part
-- of groups that have one. `admits`, `admits_of_all`: the files.
SELECT count() > 0
FROM
(
    SELECT 1
    FROM (SELECT *, {admits_of_all} FROM (SELECT *, {admits} FROM
    (
        SELECT DISTINCT journey, stage, channel, segment
        FROM stage_panes
        WHERE resolution_s = 3600 AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    )))
    WHERE (has({kinds:Array(String)}, 'journey') AND NOT journey_in)
       OR (has({kinds:Array(String)}, 'stage') AND journey_in AND NOT stage_in)
       OR (has({kinds:Array(String)}, 'channel') AND stage_in AND NOT channel_in)
       OR (has({kinds:Array(String)}, 'segment') AND stage_in AND NOT segment_in)
       OR (has({kinds:Array(String)}, 'cross') AND channel_in AND segment_in AND NOT cross_in)
    LIMIT 1
)
