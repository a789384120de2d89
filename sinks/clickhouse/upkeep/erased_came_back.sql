-- How many raw events of erased persons were inserted lately: by a replay, say.
SELECT count() FROM touchpoints WHERE inserted_at >= now() - {seconds:UInt32} AND {touchpoints_to_erase}
