-- Who asked to be forgotten, as a hash (docs/decisions/0010): written by lanes that meet the control record, so that a
-- replay of the log into empty tables knows it again. What comes back of a person is erased again.
CREATE TABLE IF NOT EXISTS erasures
(
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64,
    id_hash         String                         COMMENT 'SHA-256 of "customer:" or "anonymous:" and the id, hexadecimal',
    erased_at       DateTime64(3, 'UTC')           COMMENT 'what was recorded up to then is erased'
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, log_offset, id_hash);
