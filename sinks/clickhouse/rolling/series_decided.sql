-- Decide which groups of a {kind} have rolling rows of their own, and write that where it has changed (docs/decisions/0019):
-- those that the definitions in force declare, and {most} others. Whatever has a row keeps it for a day after it was last
-- heard of; then those come first that were touched most within a day. Hours tell when: one that ends within the day counts.
-- None has a row without the groups that it is part of. A name that is not declared and was touched less than
-- {silence_touches} times within 28 days was heard of in 1970, so that its silence has no row: else names that come once
-- would be most of what is written. `admitted`, `declared_series`: the files.
INSERT INTO series (topic, kind, admitted, refused, refused_lately)
WITH
fromUnixTimestamp64Milli({now_ms:Int64} - 90000000, 'UTC') AS day_from,
candidates AS
(
    SELECT
        journey,
        if({has_stage:Bool}, stage, '')     AS stage_,
        if({has_channel:Bool}, channel, '') AS channel_,
        if({has_segment:Bool}, segment, '') AS segment_,
        max(pane_start)                           AS heard_at,
        sum(touches)                              AS all_touches,
        sumIf(touches, pane_start > day_from)     AS day_touches,
        ({kind:String}, journey, stage_, channel_, segment_) IN ({admitted}) AS had_row
    FROM stage_panes FINAL
    WHERE resolution_s = 3600 AND pane_start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND (NOT {has_stage:Bool} OR ('journey', journey, '', '', '') IN ({admitted}))
      AND (NOT ({has_channel:Bool} OR {has_segment:Bool}) OR ('stage', journey, stage, '', '') IN ({admitted}))
      AND (NOT ({has_channel:Bool} AND {has_segment:Bool})
          OR (('channel', journey, stage, channel, '') IN ({admitted}) AND ('segment', journey, stage, '', segment) IN ({admitted})))
    GROUP BY journey, stage_, channel_, segment_
),
placed AS
(
    SELECT
        *,
        ({kind:String}, journey, stage_, channel_, segment_) IN ({declared_series}) AS declared,
        row_number() OVER (
            PARTITION BY declared
            ORDER BY had_row AND heard_at > day_from DESC, day_touches DESC, had_row DESC, all_touches DESC,
                journey, stage_, channel_, segment_) AS place
    FROM candidates
)
SELECT
    {topic:String}, {kind:String},
    arraySort(groupArrayIf(
        CAST((journey, stage_, channel_, segment_,
              if(declared OR all_touches >= {silence_touches:UInt32}, heard_at, fromUnixTimestamp64Milli(0, 'UTC'))),
             'Tuple(journey String, stage String, channel String, segment String, heard_at DateTime64(3, \'UTC\'))'),
        declared OR place <= {most:UInt32})) AS admitted_,
    countIf(NOT declared AND place > {most:UInt32}) AS refused_,
    countIf(NOT declared AND place > {most:UInt32} AND heard_at > day_from) AS refused_lately_
FROM placed
HAVING cityHash64(admitted_, refused_, refused_lately_) NOT IN
    (SELECT cityHash64(admitted, refused, refused_lately) FROM series FINAL WHERE topic = {topic:String} AND kind = {kind:String})
