-- Journeys (docs/decisions/0008). A touch is one counted event of one customer, a function of its row in `touchpoints`
-- alone; visits, passes, transitions and churn are functions of touches, computed when asked for. The views that feed
-- these tables write absolute rows: an insert that is sent again changes nothing.

CREATE TABLE IF NOT EXISTS journey_touches
(
    journey         LowCardinality(String),
    customer_id     String                         COMMENT 'empty: not known',
    anonymous_id    String                         COMMENT 'empty where customer_id is known',
    occurred_at     DateTime64(3, 'UTC'),
    event_id        String,
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64,
    stage           LowCardinality(String),
    channel         LowCardinality(String),
    touchpoint      LowCardinality(String),
    segment         LowCardinality(String),
    action          LowCardinality(String),
    outcome         LowCardinality(String),
    nps             Nullable(Int8),
    csat            Nullable(Int8),
    ces             Nullable(Int8),
    sentiment_micro Nullable(Int64),
    revenue_minor   Nullable(Int64),
    currency        LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (journey, customer_id, anonymous_id, occurred_at, event_id, log_id, partition, log_offset);

CREATE MATERIALIZED VIEW IF NOT EXISTS journey_touches_feed TO journey_touches AS
SELECT
    journey, customer_id, if(touchpoints.customer_id != '', '', touchpoints.anonymous_id) AS anonymous_id,
    occurred_at, event_id, log_id, partition, log_offset, stage, channel, touchpoint, segment, action, outcome,
    nps, csat, ces, sentiment_micro, revenue_minor, currency
FROM touchpoints
WHERE action != 'identify';

INSERT INTO journey_touches
SELECT
    journey, customer_id, if(touchpoints.customer_id != '', '', touchpoints.anonymous_id) AS anonymous_id,
    occurred_at, event_id, log_id, partition, log_offset, stage, channel, touchpoint, segment, action, outcome,
    nps, csat, ces, sentiment_micro, revenue_minor, currency
FROM touchpoints
WHERE action != 'identify';

-- That an anonymous id is a customer's: one row for each event that says so.
CREATE TABLE IF NOT EXISTS identities
(
    anonymous_id    String,
    customer_id     String,
    occurred_at     DateTime64(3, 'UTC'),
    event_id        String,
    log_id          LowCardinality(String),
    partition       UInt32,
    log_offset      UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (anonymous_id, customer_id, occurred_at, event_id, log_id, partition, log_offset);

CREATE MATERIALIZED VIEW IF NOT EXISTS identities_feed TO identities AS
SELECT anonymous_id, customer_id, occurred_at, event_id, log_id, partition, log_offset
FROM touchpoints
WHERE action = 'identify' AND anonymous_id != '' AND customer_id != '';

INSERT INTO identities
SELECT anonymous_id, customer_id, occurred_at, event_id, log_id, partition, log_offset
FROM touchpoints
WHERE action = 'identify' AND anonymous_id != '' AND customer_id != '';

-- The way through the stages, as each version of the definitions has it (schemas/paths.py).
CREATE TABLE IF NOT EXISTS journey_stages
(
    definitions     String,
    journey         LowCardinality(String),
    stage           LowCardinality(String),
    position        UInt16,
    later           Array(String)                  COMMENT 'stages that count as progress from here',
    timeout_ms      Nullable(Int64)                COMMENT 'after entering; later than that the visit counts as dropped',
    starts          Bool                           COMMENT 'where any has this, a new pass begins only here, once the one before has ended',
    ends            Bool,
    new_after_ms    Nullable(Int64)                COMMENT 'silence after which a new pass begins',
    lost_after_ms   Nullable(Int64)                COMMENT 'silence after which a customer counts as lost',
    owner           String
)
ENGINE = ReplacingMergeTree
ORDER BY (definitions, journey, stage);
