-- Raw events of [from_ms, to_ms) below where their lane was flushed, each once for each resolution, with the start of its
-- pane. Bucket k of the sketch ends at the k-th bound (counted from 0), in whole milliseconds; a logarithm finds it, but for
-- one that is off where a bound is all but a whole number.
SELECT
    log_id, partition, log_offset, journey, stage, channel, touchpoint, segment, late, action, outcome,
    nps, csat, ces, sentiment_micro, duration_ms, revenue_minor, toString(currency) AS currency_code,
    resolution_s,
    toUnixTimestamp64Milli(occurred_at) - positiveModulo(toUnixTimestamp64Milli(occurred_at), resolution_s * 1000) AS start_ms,
    greatest(ifNull(duration_ms, 1), 1) AS at_least_one_ms,
    toInt16(ceil(log(at_least_one_ms) / log(1.01 / 0.99))) AS about,
    toInt16(multiIf(
        duration_ms = 0, -1,
        about > 0 AND {bounds:Array(Int64)}[about] >= at_least_one_ms, about - 1,
        {bounds:Array(Int64)}[about + 1] < at_least_one_ms, about + 1,
        about)) AS bucket
FROM touchpoints FINAL
INNER JOIN flushed USING (log_id, partition)
ARRAY JOIN [10, 300, 3600]::Array(UInt32) AS resolution_s
WHERE occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND log_offset < next_offset
