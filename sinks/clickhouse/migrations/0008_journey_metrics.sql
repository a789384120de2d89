-- What became of the visits that began in a rolling window, as of when it was written (docs/decisions/0008): the formulas
-- are those of the exact metrics. Outcomes are known up to the watermark, so that the same tick is written again.
CREATE TABLE IF NOT EXISTS journey_metrics
(
    topic           LowCardinality(String),
    window          LowCardinality(String),
    tick            DateTime64(3, 'UTC')           COMMENT 'end of the interval, exclusive',
    journey         LowCardinality(String),
    stage           LowCardinality(String)         COMMENT '*: the whole journey',
    watermark       DateTime64(3, 'UTC')           COMMENT 'up to when outcomes were known',
    entered         Int64,
    progressed      Int64,
    dropped         Int64,
    open            Int64,
    recovered       Int64,
    conversion      Nullable(Float64),
    conversion_n    Int64,
    conversion_low  Nullable(Float64),
    conversion_high Nullable(Float64),
    dwell_ms_p50    Nullable(Int64),
    dwell_ms_p95    Nullable(Int64),
    dwell_ms_n      Int64,
    dwell_open      Int64,
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toDate(tick)
ORDER BY (topic, window, tick, journey, stage)
TTL toDateTime(tick) + toIntervalDay(35);

-- The newest row of each stage in each window.
CREATE VIEW IF NOT EXISTS journey_now AS
SELECT *
FROM journey_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM journey_metrics WHERE tick > now() - toIntervalDay(2) GROUP BY topic, window);
