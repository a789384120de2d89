-- Write what became of the visits that began in [raw_from, raw_to), by stage and by journey, where these have rolling rows of
-- their own: shares and quantiles of the others don't add up. Both lists of columns are the same text.
-- `admitted`: admitted.sql.
INSERT INTO journey_metrics ({journey_columns})
SELECT {journey_columns}
FROM
(
    SELECT
        {topic:String} AS topic,
        {window:String} AS window,
        fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC') AS tick,
        -- No visit is to a stage without a name: that row is of the whole journey.
        arrayConcat([('journey', toString(journey))], if(stage = '', [], [('stage', toString(stage))])) AS group_key,
        fromUnixTimestamp64Milli({watermark_ms:Int64}, 'UTC') AS watermark,
        *
    FROM ({journey_metrics})
    WHERE (SELECT count() FROM series WHERE topic = {topic:String}) = 0
       OR (if(stage = '', 'journey', 'stage'), journey, stage, '', '') IN ({admitted})
)
