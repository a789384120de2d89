-- Customer lifetime value (docs/decisions/0009): the fitted parameters of BG/NBD and gamma-gamma. A version is what was
-- fitted to one interval of purchases in one currency; the newest of a currency is in force. Time is in weeks, money in
-- minor units.

CREATE TABLE IF NOT EXISTS clv_parameters
(
    currency                LowCardinality(String),
    version                 String                 COMMENT 'digest of all that was fitted and what it was fitted to',
    fitted_at               DateTime64(3, 'UTC'),
    r                       Float64                COMMENT 'BG/NBD: purchases a week while alive are gamma(r, alpha)',
    alpha                   Float64,
    a                       Float64                COMMENT 'BG/NBD: the chance to stop after a purchase is beta(a, b)',
    b                       Float64,
    p                       Float64                COMMENT 'gamma-gamma: a purchase is gamma(p, nu), nu is gamma(q, v_minor)',
    q                       Float64,
    v_minor                 Float64,
    customers               UInt64                 COMMENT 'n: customers it was fitted to',
    repeat_customers        UInt64                 COMMENT 'of them: who bought on more than one day',
    one_in                  UInt32                 COMMENT 'of how many customers one was taken; 1: all were',
    repeats                 UInt64                 COMMENT 'days with a purchase after a customer\'s first',
    log_likelihood          Float64                COMMENT 'of BG/NBD',
    log_likelihood_value    Float64                COMMENT 'of gamma-gamma',
    first_day               Date32                 COMMENT 'of the purchases that it was fitted to',
    last_day                Date32                 COMMENT 'end of the observation, inclusive',
    holdout_last_day        Nullable(Date32)       COMMENT 'null: fitted without a holdout',
    holdout_repeats         Nullable(UInt64)       COMMENT 'what the same customers bought in (last_day, holdout_last_day]',
    holdout_predicted       Nullable(Float64)      COMMENT 'what they were expected to buy',
    holdout_mae             Nullable(Float64)      COMMENT 'mean absolute error of a customer\'s purchases'
)
ENGINE = ReplacingMergeTree(fitted_at)
ORDER BY (currency, version);
