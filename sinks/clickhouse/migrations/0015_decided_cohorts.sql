-- Conversion is of cohorts that are decided (docs/decisions/0020): what younger ones look like stands beside it.
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS entered_first Int64 DEFAULT 0
    COMMENT 'of entered, those that are the first of their customer in the journey' AFTER entered;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS open_progressed Int64 DEFAULT 0
    COMMENT 'of progressed, those whose cohort is not decided yet' AFTER open;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_reason LowCardinality(String) DEFAULT ''
    COMMENT 'why conversion is null: last_stage, no_timeout, not_decided_yet' AFTER conversion_high;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_estimate Nullable(Float64)
    COMMENT 'Kaplan-Meier' AFTER conversion_reason;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_estimate_n Int64 DEFAULT 0 AFTER conversion_estimate;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_estimate_low Nullable(Float64) AFTER conversion_estimate_n;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_estimate_high Nullable(Float64) AFTER conversion_estimate_low;
ALTER TABLE journey_metrics ADD COLUMN IF NOT EXISTS conversion_estimate_ms Nullable(Int64)
    COMMENT 'how long after entering the estimate speaks of' AFTER conversion_estimate_high;

DROP VIEW IF EXISTS journey_now;

CREATE VIEW IF NOT EXISTS journey_now AS
SELECT *
FROM journey_metrics FINAL
WHERE (topic, window, tick) IN
    (SELECT topic, window, max(tick) FROM journey_metrics WHERE tick > now() - toIntervalDay(2) GROUP BY topic, window);
