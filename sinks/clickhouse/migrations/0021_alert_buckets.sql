-- What rules by evidence were judged by (docs/decisions/0027): each bucket as it was counted then, since panes grow with what
-- comes late. The row of a bucket with an empty group_key says that it was counted, and of how much evidence a rule fired.
CREATE TABLE IF NOT EXISTS alert_buckets
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    digest          LowCardinality(String)         COMMENT 'of what the rule judges; another one begins anew',
    run             DateTime64(3, 'UTC')           COMMENT 'start of the first bucket that this judgement rests on',
    bucket          DateTime64(3, 'UTC')           COMMENT 'start of the five minutes',
    group_key       Array(Tuple(LowCardinality(String), String)),
    h               Float64                        COMMENT 'evidence at which a series fires',
    counts          Array(Int64)                   COMMENT 'events, or answers by bin',
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (topic, rule, digest, run, bucket, group_key)
TTL toDateTime(bucket) + toIntervalDay(63);

-- The state of a rule's series after a bucket, once a day, so that a restart has little to judge again.
CREATE TABLE IF NOT EXISTS alert_snapshots
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    digest          LowCardinality(String),
    run             DateTime64(3, 'UTC'),
    bucket          DateTime64(3, 'UTC')           COMMENT 'start of the last bucket that is in it',
    part            UInt32,
    parts           UInt32                         COMMENT 'how many make a whole',
    content         String CODEC(ZSTD(1))          COMMENT 'Base64 of the arrays, in the order of the parts',
    group_keys      Array(Array(Tuple(LowCardinality(String), String))) COMMENT 'the series, in their order; of the first part',
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (topic, rule, digest, run, bucket, part)
TTL toDateTime(bucket) + toIntervalDay(14);
