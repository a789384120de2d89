-- The rows of one window at a tick; totals_only: without those of single channels and segments.
SELECT other, journey, stage, channel, segment, * EXCEPT (topic, group_key, written_at)
FROM stage_metrics FINAL
WHERE topic = {topic:String} AND window = {window:String} AND tick = fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
  AND (NOT {totals_only:Bool} OR (isNull(channel) AND isNull(segment)))
ORDER BY journey NULLS FIRST, stage NULLS FIRST, channel NULLS FIRST, segment NULLS FIRST
