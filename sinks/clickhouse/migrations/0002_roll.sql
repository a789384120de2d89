-- What the rolling windows said at each tick (docs/decisions/0005). A row holds the metrics of [tick - window, tick);
-- `*` in a dimension stands for all of its values. The row written last for a tick stands: while events arrive it is
-- written again, and once completeness is 1 only late events could still change it, which do not.

CREATE TABLE IF NOT EXISTS stage_metrics
(
    topic           LowCardinality(String),
    window          LowCardinality(String)         COMMENT '1m 5m 15m 1h 24h 7d 28d',
    tick            DateTime64(3, 'UTC')           COMMENT 'end of the interval, exclusive',
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    segment         LowCardinality(String),
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
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toDate(tick)
ORDER BY (topic, window, tick, journey, stage, channel, segment)
TTL toDateTime(tick) + toIntervalDay(35);

-- The newest rolling row of each group, the live one: its window reaches to the next tick, so that it is not complete.
CREATE VIEW IF NOT EXISTS stage_now AS
SELECT *
FROM stage_metrics FINAL
WHERE (topic, window, tick) IN (SELECT topic, window, max(tick) FROM stage_metrics WHERE tick > now() - toIntervalHour(2) GROUP BY topic, window);

-- The newest complete rolling row of each group: what alerts are judged by.
CREATE VIEW IF NOT EXISTS stage_complete AS
SELECT *
FROM stage_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM stage_metrics WHERE completeness = 1 AND tick > now() - toIntervalHour(26) GROUP BY topic, window)
  AND completeness = 1;
