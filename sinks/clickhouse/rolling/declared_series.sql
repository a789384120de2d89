-- What has rolling rows of its own however many names there are: the journeys and stages of the definitions in force and the
-- channels that their touchpoints name; of a declared journey what is of no stage, of its stages who has no segment. As
-- admitted.sql has it. `stages_in_force`: the file.
SELECT
    arrayJoin(arrayConcat(
        [('journey', toString(journey), '', '', ''), ('stage', toString(journey), toString(stage), '', ''),
         ('stage', toString(journey), 'undeclared', '', ''), ('segment', toString(journey), toString(stage), '', ''),
         ('segment', toString(journey), 'undeclared', '', '')],
        arrayMap(channel -> ('channel', toString(journey), toString(stage), channel, ''), channels))) AS one
FROM ({stages_in_force})
