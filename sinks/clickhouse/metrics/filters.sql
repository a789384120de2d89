-- The rows to keep, by their dimensions; an empty list keeps all. A condition.
(empty({journeys:Array(String)}) OR has({journeys:Array(String)}, journey))
AND (empty({stages:Array(String)}) OR has({stages:Array(String)}, stage))
AND (empty({channels:Array(String)}) OR has({channels:Array(String)}, channel))
AND (empty({touchpoints:Array(String)}) OR has({touchpoints:Array(String)}, touchpoint))
AND (empty({segments:Array(String)}) OR has({segments:Array(String)}, segment))
