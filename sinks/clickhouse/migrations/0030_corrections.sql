-- Corrections of answers (docs/decisions/0040): which event replaced which, and what does not count any more.
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS amends String
    COMMENT 'event_id of the first version of the answer that this event replaces; empty: none'
    AFTER kafka_key;
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS replaced Nullable(UInt64)
    COMMENT 'offset of the version of its answer that does not count any more since this event; its own where it came too late'
    AFTER amends;
ALTER TABLE touchpoints ADD INDEX IF NOT EXISTS by_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE touchpoints ADD INDEX IF NOT EXISTS by_amends amends TYPE bloom_filter(0.01) GRANULARITY 1;

CREATE TABLE IF NOT EXISTS superseded
(
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64                         COMMENT 'of an event that was counted, and does not count any more',
    by_offset       UInt64                         COMMENT 'of the event since which it does not'
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, log_offset);

CREATE MATERIALIZED VIEW IF NOT EXISTS superseded_feed TO superseded AS
SELECT log_id, partition, assumeNotNull(replaced) AS log_offset, touchpoints.log_offset AS by_offset
FROM touchpoints
WHERE isNotNull(replaced);
