-- Where what is kept mentions one of some ids as a word: rows of a column by table. Raw events of others (their event_id,
-- attributes, segments), and names, which belong to no person. {patterns}: regular expressions (RE2), one for each id.
SELECT 'touchpoints' AS where, 'event_id' AS in, count() AS rows FROM touchpoints
WHERE arrayExists(pattern -> match(event_id, pattern), {patterns:Array(String)})
UNION ALL
SELECT 'touchpoints', 'amends', count() FROM touchpoints
WHERE arrayExists(pattern -> match(amends, pattern), {patterns:Array(String)})
UNION ALL
SELECT 'touchpoints', 'kafka_key', count() FROM touchpoints
WHERE arrayExists(pattern -> match(ifNull(kafka_key, ''), pattern), {patterns:Array(String)})
UNION ALL
SELECT 'touchpoints', 'attributes', count() FROM touchpoints
WHERE arrayExists(
    pattern -> arrayExists(one -> match(one, pattern), arrayConcat(mapKeys(attributes), mapValues(attributes))),
    {patterns:Array(String)})
UNION ALL
SELECT 'stage_panes', name.1, count()
FROM
(
    SELECT DISTINCT arrayJoin([
        ('journey', toString(journey)), ('stage', toString(stage)), ('channel', toString(channel)),
        ('touchpoint', toString(touchpoint)), ('segment', toString(segment))]) AS name
    FROM stage_panes
    WHERE resolution_s = 3600
)
WHERE arrayExists(pattern -> match(name.2, pattern), {patterns:Array(String)})
GROUP BY name.1
