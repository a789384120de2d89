-- How many events came under another Kafka key than their own, or outside of the partition in which Kafka's own partitioner
-- puts it: what is published again by another way counts again. `identified_events`: identified_events.sql.
SELECT uniqExact(log_id, partition, log_offset) AS events
FROM ({identified_events})
WHERE key != canonical_key OR kafkaMurmurHash(canonical_key) % partitions != partition
