-- What `watch` judged (docs/decisions/0007). An alert is a rule in one group of rolling rows: journey, stage, channel and
-- segment, where `*` stands for all. Instants are ends of windows: event time.

CREATE TABLE IF NOT EXISTS alerts
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    segment         LowCardinality(String),
    tick            DateTime64(3, 'UTC')           COMMENT 'end of the window that was judged last',
    state           LowCardinality(String)         COMMENT 'ok, pending, firing, resolved',
    since           DateTime64(3, 'UTC')           COMMENT 'end of the window with which the state began',
    verdict         LowCardinality(String)         COMMENT 'clear, breach; why it was not judged: too_few, no_value, no_baseline; why it ended: gone, retired',
    metric          LowCardinality(String),
    window          LowCardinality(String),
    condition       String                         COMMENT 'in words',
    severity        LowCardinality(String)         COMMENT 'critical, warning, info',
    owner           String                         COMMENT 'empty: none',
    summary         String,
    value           Nullable(Float64),
    n               Nullable(Int64)                COMMENT 'null: a count',
    low             Nullable(Float64)              COMMENT '95 % interval, where the metric has one',
    high            Nullable(Float64),
    baseline        Nullable(Float64)              COMMENT 'what a drop or rise is held against',
    baseline_n      Nullable(Int64),
    baseline_tick   Nullable(DateTime64(3, 'UTC')) COMMENT 'end of the window of the baseline',
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(tick)
ORDER BY (topic, rule, journey, stage, channel, segment)
TTL toDateTime(tick) + toIntervalDay(35);

-- The history: a row of `alerts` as it was when its state changed. The same change has the same key, whoever saw it.
CREATE TABLE IF NOT EXISTS alert_changes
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    segment         LowCardinality(String),
    tick            DateTime64(3, 'UTC'),
    state           LowCardinality(String),
    since           DateTime64(3, 'UTC'),
    verdict         LowCardinality(String),
    metric          LowCardinality(String),
    window          LowCardinality(String),
    condition       String,
    severity        LowCardinality(String),
    owner           String,
    summary         String,
    value           Nullable(Float64),
    n               Nullable(Int64),
    low             Nullable(Float64),
    high            Nullable(Float64),
    baseline        Nullable(Float64),
    baseline_n      Nullable(Int64),
    baseline_tick   Nullable(DateTime64(3, 'UTC')),
    key             String                         COMMENT 'idempotency key of the notification: digest of topic, rule, group, tick and state',
    destinations    Array(LowCardinality(String))  COMMENT 'who has to be told: topic, webhook, alertmanager, slack',
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, tick, rule, journey, stage, channel, segment, state)
TTL toDateTime(written_at) + toIntervalDay(400);

-- Which notification has reached whom. Written after it was sent: a crash between the two sends it again, with its key.
CREATE TABLE IF NOT EXISTS alert_deliveries
(
    destination     LowCardinality(String),
    key             String,
    outcome         String                         COMMENT 'delivered, or why it was refused for good',
    delivered_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (destination, key)
TTL toDateTime(delivered_at) + toIntervalDay(400);

-- Up to which window a rule has been judged.
CREATE TABLE IF NOT EXISTS alerts_judged
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    tick            DateTime64(3, 'UTC'),
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(tick)
ORDER BY (topic, rule);
