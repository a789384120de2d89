-- A group is one array of (dimension, name): what is absent is all together. Until now `*` in a column said so, and an event
-- whose channel was called `*` wrote over the sums of all (docs/decisions/0018). Tables whose key that changes are made beside
-- the old ones, filled by queries/rebuild_*.sql, and put in their place; views are made anew after every migration.

CREATE TABLE IF NOT EXISTS stage_metrics_rebuilt
(
    topic           LowCardinality(String),
    window          LowCardinality(String)         COMMENT '1m 5m 15m 1h 24h 7d 28d',
    tick            DateTime64(3, 'UTC')           COMMENT 'end of the interval, exclusive',
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT '(dimension, name), in the order journey, stage, channel, segment; one that is absent: all together',
    completeness    Float64                        COMMENT 'share of lanes that have passed the tick',
    touches         Int64,
    duplicates      Int64,
    late            Int64,
    customers       Nullable(Int64)                COMMENT 'exact; null in windows longer than an hour',
    nps             Nullable(Float64),
    nps_n           Int64,
    nps_low         Nullable(Float64),
    nps_high        Nullable(Float64),
    csat            Nullable(Float64),
    csat_n          Int64,
    csat_low        Nullable(Float64),
    csat_high       Nullable(Float64),
    csat_mean       Nullable(Float64),
    csat_mean_n     Int64,
    csat_mean_low   Nullable(Float64),
    csat_mean_high  Nullable(Float64),
    ces             Nullable(Float64),
    ces_n           Int64,
    ces_low         Nullable(Float64),
    ces_high        Nullable(Float64),
    ces_easy        Nullable(Float64),
    ces_easy_n      Int64,
    ces_easy_low    Nullable(Float64),
    ces_easy_high   Nullable(Float64),
    success_rate    Nullable(Float64),
    success_rate_n  Int64,
    success_rate_low  Nullable(Float64),
    success_rate_high Nullable(Float64),
    duration_ms_p50 Nullable(Float64),
    duration_ms_p95 Nullable(Float64),
    duration_ms_p99 Nullable(Float64),
    duration_ms_n   Int64,
    sentiment       Nullable(Float64),
    sentiment_n     Int64,
    purchases       Int64,
    revenue_minor   Nullable(Int64)                COMMENT 'null over several currencies',
    revenue_minor_by_currency Map(String, Int64),
    average_order_minor   Nullable(Float64),
    average_order_minor_n Int64,
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3),
    dimensions      Array(String) ALIAS arrayMap(one -> toString(one.1), group_key) COMMENT 'of which dimensions the row has one name',
    journey         Nullable(String) ALIAS if(indexOf(group_key.1, 'journey') = 0, NULL, group_key[indexOf(group_key.1, 'journey')].2) COMMENT 'null: all together',
    stage           Nullable(String) ALIAS if(indexOf(group_key.1, 'stage') = 0, NULL, group_key[indexOf(group_key.1, 'stage')].2) COMMENT 'null: all together',
    channel         Nullable(String) ALIAS if(indexOf(group_key.1, 'channel') = 0, NULL, group_key[indexOf(group_key.1, 'channel')].2) COMMENT 'null: all together',
    segment         Nullable(String) ALIAS if(indexOf(group_key.1, 'segment') = 0, NULL, group_key[indexOf(group_key.1, 'segment')].2) COMMENT 'null: all together'
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toDate(tick)
ORDER BY (topic, window, tick, group_key)
TTL toDateTime(tick) + toIntervalDay(35);

REBUILD stage_metrics;

CREATE TABLE IF NOT EXISTS journey_metrics_rebuilt
(
    topic           LowCardinality(String),
    window          LowCardinality(String),
    tick            DateTime64(3, 'UTC')           COMMENT 'end of the interval, exclusive',
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT '(dimension, name), in the order journey, stage, channel, segment; one that is absent: all together',
    watermark       DateTime64(3, 'UTC')           COMMENT 'up to when outcomes were known',
    entered         Int64,
    entered_first   Int64                          COMMENT 'of entered, those that are the first of their customer in the journey',
    progressed      Int64,
    dropped         Int64,
    open            Int64,
    open_progressed Int64                          COMMENT 'of progressed, those whose cohort is not decided yet',
    recovered       Int64,
    conversion      Nullable(Float64),
    conversion_n    Int64,
    conversion_low  Nullable(Float64),
    conversion_high Nullable(Float64),
    conversion_reason LowCardinality(String)       COMMENT 'why conversion is null: last_stage, no_timeout, not_decided_yet',
    conversion_estimate      Nullable(Float64)     COMMENT 'Kaplan-Meier',
    conversion_estimate_n    Int64,
    conversion_estimate_low  Nullable(Float64),
    conversion_estimate_high Nullable(Float64),
    conversion_estimate_ms   Nullable(Int64)       COMMENT 'how long after entering the estimate speaks of',
    dwell_ms_p50    Nullable(Int64),
    dwell_ms_p95    Nullable(Int64),
    dwell_ms_n      Int64,
    dwell_open      Int64,
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3),
    dimensions      Array(String) ALIAS arrayMap(one -> toString(one.1), group_key) COMMENT 'of which dimensions the row has one name',
    journey         Nullable(String) ALIAS if(indexOf(group_key.1, 'journey') = 0, NULL, group_key[indexOf(group_key.1, 'journey')].2) COMMENT 'null: all together',
    stage           Nullable(String) ALIAS if(indexOf(group_key.1, 'stage') = 0, NULL, group_key[indexOf(group_key.1, 'stage')].2) COMMENT 'null: all together'
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toDate(tick)
ORDER BY (topic, window, tick, group_key)
TTL toDateTime(tick) + toIntervalDay(35);

REBUILD journey_metrics;

CREATE TABLE IF NOT EXISTS alerts_rebuilt
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT '(dimension, name), in the order journey, stage, channel, segment; one that is absent: all together',
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
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3),
    dimensions      Array(String) ALIAS arrayMap(one -> toString(one.1), group_key) COMMENT 'of which dimensions the row has one name',
    journey         Nullable(String) ALIAS if(indexOf(group_key.1, 'journey') = 0, NULL, group_key[indexOf(group_key.1, 'journey')].2) COMMENT 'null: all together',
    stage           Nullable(String) ALIAS if(indexOf(group_key.1, 'stage') = 0, NULL, group_key[indexOf(group_key.1, 'stage')].2) COMMENT 'null: all together',
    channel         Nullable(String) ALIAS if(indexOf(group_key.1, 'channel') = 0, NULL, group_key[indexOf(group_key.1, 'channel')].2) COMMENT 'null: all together',
    segment         Nullable(String) ALIAS if(indexOf(group_key.1, 'segment') = 0, NULL, group_key[indexOf(group_key.1, 'segment')].2) COMMENT 'null: all together'
)
ENGINE = ReplacingMergeTree(tick)
ORDER BY (topic, rule, group_key)
TTL toDateTime(tick) + toIntervalDay(35);

REBUILD alerts;

CREATE TABLE IF NOT EXISTS alert_changes_rebuilt
(
    topic           LowCardinality(String),
    rule            LowCardinality(String),
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT '(dimension, name), in the order journey, stage, channel, segment; one that is absent: all together',
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
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3),
    dimensions      Array(String) ALIAS arrayMap(one -> toString(one.1), group_key) COMMENT 'of which dimensions the row has one name',
    journey         Nullable(String) ALIAS if(indexOf(group_key.1, 'journey') = 0, NULL, group_key[indexOf(group_key.1, 'journey')].2) COMMENT 'null: all together',
    stage           Nullable(String) ALIAS if(indexOf(group_key.1, 'stage') = 0, NULL, group_key[indexOf(group_key.1, 'stage')].2) COMMENT 'null: all together',
    channel         Nullable(String) ALIAS if(indexOf(group_key.1, 'channel') = 0, NULL, group_key[indexOf(group_key.1, 'channel')].2) COMMENT 'null: all together',
    segment         Nullable(String) ALIAS if(indexOf(group_key.1, 'segment') = 0, NULL, group_key[indexOf(group_key.1, 'segment')].2) COMMENT 'null: all together'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, tick, rule, group_key, state)
TTL toDateTime(written_at) + toIntervalDay(400);

REBUILD alert_changes;
