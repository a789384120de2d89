-- Rolling rows of one window from the view stage_now or stage_complete; an empty list keeps all.
SELECT * EXCEPT (topic, written_at)
FROM {view:Identifier}
WHERE topic = {topic:String} AND window = {window:String}
  AND (empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey))
  AND (empty({stages:Array(String)}) OR has({stages:Array(String)}, stage))
  AND (empty({channels:Array(String)}) OR has({channels:Array(String)}, channel))
  AND (empty({segments:Array(String)}) OR has({segments:Array(String)}, segment))
ORDER BY journey, stage, channel, segment
