-- Counted events of [from_ms, to_ms) of a topic with what they are and where they stand: their identity but for the key, the
-- key they came with (versions of an answer are what its first one is), the one they should have, and how many partitions their log has. Without those that were erased.
SELECT
    if(event.source != '', event.source, toString(event.channel)) AS numbered_by,
    if(event.amends != '', event.amends, event.event_id) AS event_id, event.log_id AS log_id, event.partition AS partition, event.log_offset AS log_offset,
    if(event.customer_id != '', event.customer_id, event.anonymous_id) AS canonical_key,
    ifNull(event.kafka_key, canonical_key) AS key,
    logs.partitions AS partitions
FROM touchpoints AS event
INNER JOIN
(
    SELECT log_id, max(partition) OVER (PARTITION BY splitByChar('#', toString(log_id))[1]) + 1 AS partitions, partition
    FROM lanes FINAL
    WHERE topic = {topic:String}
) AS logs ON event.log_id = logs.log_id AND event.partition = logs.partition
WHERE event.occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND event.occurred_at <  fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND event.event_id != '' AND canonical_key != ''
