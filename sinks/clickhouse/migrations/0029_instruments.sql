-- Answers to declared instruments (docs/decisions/0038): of whatever scale, so that declaring one changes no table.
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS score_micro Nullable(Int64)
    COMMENT 'score times 1,000,000; answers to nps, csat and ces stand in their columns' AFTER revenue_minor;
ALTER TABLE touchpoints ADD COLUMN IF NOT EXISTS instrument LowCardinality(String)
    COMMENT 'what was asked; empty: nothing, or nps, csat or ces' AFTER currency;
ALTER TABLE stage_panes ADD COLUMN IF NOT EXISTS answer_counts Map(LowCardinality(String), Int64)
    COMMENT 'events by instrument and score: "stars 4000000" is four stars';
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS
    instruments     Map(LowCardinality(String), Nullable(Float64)) COMMENT 'field of a declared instrument to its value, such as stars, stars_n, stars_low, stars_high; absent: null, or 0 for what ends in _n'
    AFTER average_order_minor_n;
