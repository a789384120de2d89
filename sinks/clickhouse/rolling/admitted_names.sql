-- A row's names, without those that count as other, and which those are. Part of a SELECT list; `admits`: admits.sql.
(journey_in, stage_in, channel_in, segment_in, cross_in) AS own,
if(journey_in, journey, '') AS own_journey,
if(stage_in, stage, '')     AS own_stage,
if(channel_in, channel, '') AS own_channel,
if(segment_in, segment, '') AS own_segment
