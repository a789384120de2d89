-- As counted_event_ids.sql, of events that were counted though ClickHouse refused them as rows: their
-- dead letters hold them, unless these were emptied for an erased person. Of other dead letters only the reason is read.
SELECT
    log_offset,
    parseDateTime64BestEffortOrZero(JSONExtractString(ifNull(value, ''), 'lane_clock'), 3, 'UTC') AS lane_clock,
    JSONExtractString(ifNull(value, ''), 'event_id') AS event_id,
    JSONExtractString(ifNull(value, ''), 'source') AS source,
    JSONExtractString(ifNull(value, ''), 'channel') AS channel,
    JSONExtractString(ifNull(value, ''), 'customer_id') AS customer_id,
    JSONExtractString(ifNull(value, ''), 'anonymous_id') AS anonymous_id,
    base64Decode(JSONExtract(ifNull(value, ''), 'kafka_key', 'Nullable(String)')) AS kafka_key,
    JSONExtractString(ifNull(value, ''), 'touchpoint') AS touchpoint,
    JSONExtractString(ifNull(value, ''), 'segment') AS segment,
    JSONExtractString(ifNull(value, ''), 'action') AS action,
    JSONExtractString(ifNull(value, ''), 'outcome') AS outcome,
    JSONExtractString(ifNull(value, ''), 'currency') AS currency,
    JSONExtractString(ifNull(value, ''), 'instrument') AS instrument,
    parseDateTime64BestEffortOrZero(JSONExtractString(ifNull(value, ''), 'occurred_at'), 3, 'UTC') AS occurred_at,
    {letter_numbers}
FROM dead_letters
PREWHERE reason = 'rejected'
WHERE log_id = {log_id:String} AND partition = {partition:UInt32}
  AND log_offset >= {from_offset:UInt64} AND log_offset < {below_offset:UInt64}
  AND event_id != ''
  AND lane_clock >= fromUnixTimestamp64Milli({clock_from:Int64}, 'UTC')
ORDER BY log_offset
LIMIT 1 BY log_offset
