-- Write what became of the visits that began in [raw_from, raw_to), by stage and by journey, where these have rolling rows of
-- their own: shares and quantiles of the others don't add up. `admitted`: admitted.sql.
INSERT INTO journey_metrics
    (topic, window, tick, group_key, watermark, entered, entered_first, progressed, dropped, open, open_progressed, recovered,
     conversion, conversion_n, conversion_low, conversion_high, conversion_reason,
     conversion_estimate, conversion_estimate_n, conversion_estimate_low, conversion_estimate_high, conversion_estimate_ms,
     dwell_ms_p50, dwell_ms_p95, dwell_ms_n, dwell_open)
SELECT
    {topic:String}, {window:String}, fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC'),
    -- No visit is to a stage without a name: that row is of the whole journey.
    arrayConcat([('journey', toString(journey))], if(stage = '', [], [('stage', toString(stage))])), fromUnixTimestamp64Milli({watermark_ms:Int64}, 'UTC'),
    entered, entered_first, progressed, dropped, open, open_progressed, recovered,
    conversion, conversion_n, conversion_low, conversion_high, conversion_reason,
    conversion_estimate, conversion_estimate_n, conversion_estimate_low, conversion_estimate_high, conversion_estimate_ms,
    dwell_ms_p50, dwell_ms_p95, dwell_ms_n, dwell_open
FROM ({journey_metrics})
WHERE (SELECT count() FROM series WHERE topic = {topic:String}) = 0
   OR (if(stage = '', 'journey', 'stage'), journey, stage, '', '') IN ({admitted})
