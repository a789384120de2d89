-- What a lane writes (docs/decisions/0001). Every row is absolute and depends only on its own key's events and its lane:
-- written twice it changes nothing. A lane is (log_id, partition); log_offset is the last event applied to the row.

CREATE TABLE IF NOT EXISTS touchpoints
(
    log_id          LowCardinality(String)         COMMENT 'identity of the Kafka log the event stands in',
    partition       UInt32,
    log_offset      UInt64,
    record_at       DateTime64(3, 'UTC')           COMMENT 'timestamp of the Kafka record',
    lane_clock      DateTime64(3, 'UTC')           COMMENT 'highest record timestamp of the lane up to this event',
    definitions     LowCardinality(String)         COMMENT 'version of the definitions that resolved journey and stage',
    event_id        String,
    occurred_at     DateTime64(3, 'UTC'),
    customer_id     String                         COMMENT 'empty: not known',
    anonymous_id    String                         COMMENT 'empty: not known',
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    touchpoint      LowCardinality(String),
    segment         LowCardinality(String)         COMMENT 'empty: none given',
    declared        Bool                           COMMENT 'whether the journey knows this touchpoint',
    late            Bool,
    action          LowCardinality(String),
    outcome         LowCardinality(String)         COMMENT 'success, failure, abandoned or empty',
    duration_ms     Nullable(Int64),
    nps             Nullable(Int8),
    csat            Nullable(Int8),
    ces             Nullable(Int8),
    sentiment_micro Nullable(Int64)                COMMENT 'sentiment times 1,000,000, rounded: sums of integers do not depend on their order',
    revenue_minor   Nullable(Int64),
    currency        LowCardinality(String),
    attributes      Map(String, String),
    received_at     Nullable(DateTime64(3, 'UTC')),
    inserted_at     DateTime('UTC') DEFAULT now(),
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(inserted_at)
ORDER BY (log_id, partition, log_offset)
TTL inserted_at + toIntervalDay({raw_retention_days:UInt32});

CREATE TABLE IF NOT EXISTS stage_panes
(
    log_id          LowCardinality(String),
    partition       UInt32,
    resolution_s    UInt32                         COMMENT 'length of the pane in seconds: 10, 300 or 3600',
    pane_start      DateTime64(3, 'UTC'),
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    touchpoint      LowCardinality(String),
    segment         LowCardinality(String),
    log_offset      UInt64                         COMMENT 'the row holds every event of its key up to this offset',
    touches         Int64,
    duplicates      Int64                          COMMENT 'events not counted because their event_id was',
    late            Int64,
    success         Int64,
    failure         Int64,
    abandoned       Int64,
    purchases       Int64,
    duration_n      Int64,
    duration_sum_ms Int64,
    sentiment_n     Int64,
    sentiment_sum_micro Int64,
    nps_counts      Array(Int64)                   COMMENT 'answers 0 to 10',
    csat_counts     Array(Int64)                   COMMENT 'answers 1 to 5',
    ces_counts      Array(Int64)                   COMMENT 'answers 1 to 7',
    duration_sketch Map(Int16, Int64)              COMMENT 'DDSketch of 1 % relative accuracy: bucket to count; bucket -1 holds 0 ms',
    revenue_minor_by_currency          Map(LowCardinality(String), Int64) COMMENT 'net: returns are negative',
    purchase_revenue_minor_by_currency Map(LowCardinality(String), Int64) COMMENT 'of events with action purchase'
)
ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY resolution_s
ORDER BY (resolution_s, pane_start, journey, stage, channel, touchpoint, segment, log_id, partition);

CREATE TABLE IF NOT EXISTS lanes
(
    topic           LowCardinality(String),
    partition       UInt32,
    log_id          LowCardinality(String),
    generation      UInt32                         COMMENT 'counts the logs that this partition has had',
    next_offset     UInt64                         COMMENT 'where to resume: everything below is in the tables',
    lane_clock      DateTime64(3, 'UTC')           COMMENT 'highest record timestamp seen',
    occurred_max    DateTime64(3, 'UTC')           COMMENT 'highest occurred_at counted',
    watermark       DateTime64(3, 'UTC'),
    definitions     LowCardinality(String),
    predecessor_log_id      LowCardinality(String) COMMENT 'the log before this one, whose event ids still count as seen',
    predecessor_next_offset UInt64,
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (topic, partition, log_id);

CREATE TABLE IF NOT EXISTS dead_letters
(
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64,
    topic           LowCardinality(String),
    record_at       DateTime64(3, 'UTC'),
    reason          LowCardinality(String),
    detail          String,
    key             Nullable(String),
    value           Nullable(String)               COMMENT 'the bytes as they came',
    headers         Array(Tuple(name String, value String)),
    inserted_at     DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, log_offset);

CREATE TABLE IF NOT EXISTS definitions
(
    version         String                         COMMENT 'digest of the content',
    content         String                         COMMENT 'JSON: the journey, and the settings that decide what a row holds',
    in_force_since  DateTime64(6, 'UTC')           COMMENT '1970: known, but not yet switched to in the log'
)
ENGINE = ReplacingMergeTree
ORDER BY (version, in_force_since);
