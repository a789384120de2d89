-- The rows of one window at a tick; totals_only: without those of single channels and segments.
SELECT * EXCEPT (topic, written_at)
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND window = {window:String} AND tick = fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
  AND (NOT {totals_only:Bool} OR (channel = '*' AND segment = '*'))
ORDER BY journey, stage, channel, segment
