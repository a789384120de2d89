-- Which event an event is (docs/decisions/0014): who numbered it, and the Kafka key that it came with.
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS
    source LowCardinality(String) DEFAULT '' COMMENT 'in whose numbers the event_id is; empty: the channel'
    AFTER received_at;
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS
    sent_by LowCardinality(String) DEFAULT '' COMMENT 'name of the key that it was sent with; empty: none, or not by the gateway'
    AFTER source;
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS
    kafka_key Nullable(String) COMMENT 'null: the customer_id, else the anonymous_id, as it should be; empty: none'
    AFTER sent_by;
