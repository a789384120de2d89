-- The groups of a topic that have rolling rows of their own (docs/decisions/0019): (kind, journey, stage, channel, segment),
-- where a kind leaves out a name, ''.
SELECT kind, one.journey, one.stage, one.channel, one.segment
FROM series FINAL
ARRAY JOIN admitted AS one
WHERE topic = {topic:String}
