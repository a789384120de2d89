-- Whether each of the groups that a row with journey, stage, channel and segment counts in has rolling rows of its own. Before
-- a topic's first decision all have. Part of a SELECT list. `admitted`: admitted.sql.
(SELECT count() FROM series WHERE topic = {topic:String}) = 0 AS undecided,
('journey', journey, '', '', '') IN ({admitted})              AS journey_admitted,
('stage', journey, stage, '', '') IN ({admitted})             AS stage_admitted,
('channel', journey, stage, channel, '') IN ({admitted})      AS channel_admitted,
('segment', journey, stage, '', segment) IN ({admitted})      AS segment_admitted,
('cross', journey, stage, channel, segment) IN ({admitted})   AS cross_admitted
