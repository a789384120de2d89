-- The rolling rows of a window at one tick in one journey. A source.
(
    SELECT dimensions, other, stage, channel, segment, * EXCEPT (topic, window, tick, written_at)
    FROM stage_metrics FINAL
    WHERE topic = {topic:String} AND window = {window:String}
      AND tick = fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC') AND group_key[1] = ('journey', {journey:String})
)
