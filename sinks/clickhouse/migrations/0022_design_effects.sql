-- By how much answers of the same people widen intervals (docs/decisions/0025): measured daily by the leader, per window length.
CREATE TABLE IF NOT EXISTS design_effects
(
    topic           LowCardinality(String),
    window          LowCardinality(String)         COMMENT '1m 5m 15m 1h 24h 7d 28d: the design effect grows with the length',
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT 'as in stage_metrics; empty: all events together',
    effects         Map(LowCardinality(String), Float32) COMMENT 'metric to design effect, where it is not 1; metric_spread: variance of the answers, where panes do not tell it',
    people          UInt64                         COMMENT 'people with answers that were looked at, each once in every window',
    measured_from   DateTime64(3, 'UTC')           COMMENT 'time of the oldest answer that was looked at',
    measured_to     DateTime64(3, 'UTC'),
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (topic, window, group_key)
TTL toDateTime(written_at) + toIntervalDay(35);

ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS sentiment_low Nullable(Float64) AFTER sentiment_n;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS sentiment_high Nullable(Float64) AFTER sentiment_low;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS average_order_minor_low Nullable(Float64) AFTER average_order_minor_n;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS average_order_minor_high Nullable(Float64) AFTER average_order_minor_low;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p50_low Nullable(Float64) AFTER duration_ms_n;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p50_high Nullable(Float64) AFTER duration_ms_p50_low;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p95_low Nullable(Float64) AFTER duration_ms_p50_high;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p95_high Nullable(Float64) AFTER duration_ms_p95_low;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p99_low Nullable(Float64) AFTER duration_ms_p95_high;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS duration_ms_p99_high Nullable(Float64) AFTER duration_ms_p99_low;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS
    design_effects  Map(LowCardinality(String), Float32) COMMENT 'metric to the design effect that its interval was widened by; absent: 1, or not measured yet'
    AFTER other_names;
