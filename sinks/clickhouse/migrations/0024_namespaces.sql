-- Files of rules are judged side by side, each in a namespace of its own (docs/decisions/0032). Rows of before, and those of
-- a topic's first namespace, have an empty one, so that keys stay as they were.
CREATE TABLE IF NOT EXISTS alert_namespaces
(
    topic           LowCardinality(String),
    namespace       String                         COMMENT 'declared in a file of rules, or its name',
    claimed_at      DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when watch first judged it; the rows of the first one have no namespace'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, namespace, claimed_at);

ALTER TABLE alerts ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER group_key, MODIFY ORDER BY (topic, rule, group_key, namespace);
ALTER TABLE alert_changes ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER group_key, MODIFY ORDER BY (topic, tick, rule, group_key, state, namespace);
ALTER TABLE alerts_judged ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER rule, MODIFY ORDER BY (topic, rule, namespace);
ALTER TABLE alert_buckets ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER group_key, MODIFY ORDER BY (topic, rule, digest, run, bucket, group_key, namespace);
ALTER TABLE alert_snapshots ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER part, MODIFY ORDER BY (topic, rule, digest, run, bucket, part, namespace);
ALTER TABLE watch_rounds ADD COLUMN IF NOT EXISTS namespace LowCardinality(String) AFTER topic, MODIFY ORDER BY (topic, namespace);
