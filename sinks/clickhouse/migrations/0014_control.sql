-- Control records are signed (docs/decisions/0013). A lane keeps who may sign, and the last sequence number that it obeyed.
ALTER TABLE lanes ADD COLUMN IF NOT EXISTS
    control_sequence UInt64 DEFAULT 0 COMMENT 'of the last control record that was obeyed'
    AFTER ids_from;
ALTER TABLE lanes ADD COLUMN IF NOT EXISTS
    control_keys String DEFAULT '' COMMENT 'who may sign control records: public keys, until which sequence number; empty: not known yet'
    AFTER control_sequence;

-- The public keys that a lane begins with which has no row yet, or one of before there were keys. Written by
-- `touchstream init` and `touchstream control-key`, which need no more than ClickHouse for it.
CREATE TABLE IF NOT EXISTS control_keys
(
    public          String                         COMMENT 'Ed25519, 64 hexadecimal digits',
    until           UInt64                         COMMENT 'the last sequence number that it signs; 0: in force',
    noted_at        DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY public;

-- What became of every control record but heartbeats.
CREATE TABLE IF NOT EXISTS control_records
(
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64,
    topic           LowCardinality(String),
    record_at       DateTime64(3, 'UTC'),
    kind            String                         COMMENT 'as it claims, like sequence and key_id',
    sequence        UInt64,
    key_id          String                         COMMENT 'the first 16 hexadecimal digits of the SHA-256 of the public key',
    obeyed          Bool,
    what            String                         COMMENT 'its effect, or why it had none',
    inserted_at     DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, log_offset)
TTL inserted_at + toIntervalDay(400) DELETE WHERE NOT obeyed;
