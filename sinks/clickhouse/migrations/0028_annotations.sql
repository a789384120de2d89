-- What people and systems say happened (docs/decisions/0036): of each id, the annotation that was written last.
CREATE TABLE IF NOT EXISTS annotations
(
    topic           LowCardinality(String)         COMMENT 'of the events that it is about',
    id              String,
    kind            LowCardinality(String)         COMMENT 'deploy, campaign, outage, price, other',
    at              DateTime64(3, 'UTC')           COMMENT 'when it began',
    until           Nullable(DateTime64(3, 'UTC')) COMMENT 'null: at once',
    journey         Nullable(String)               COMMENT 'null: all; so with the others',
    stage           Nullable(String),
    channel         Nullable(String),
    segment         Nullable(String),
    text            String,
    source          String                         COMMENT 'who says so',
    link            String,
    exclude         Bool                           COMMENT 'nothing begins to fire in its span, which is not part of what is usual',
    record_at       DateTime64(3, 'UTC')           COMMENT 'timestamp of the Kafka record',
    log_id          String,
    log_offset      UInt64,
    inserted_at     DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree(record_at)
ORDER BY (topic, id)
TTL toDateTime(at) + toIntervalDay(1100);
