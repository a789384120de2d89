-- Which groups have rolling rows of their own, whatever names arrive (docs/decisions/0019): the others are counted together.
CREATE TABLE IF NOT EXISTS series
(
    topic           LowCardinality(String),
    kind            LowCardinality(String)         COMMENT 'of which groups: journey; stage of a journey; channel, segment, cross (both) of a stage',
    admitted        Array(Tuple(journey String, stage String, channel String, segment String, heard_at DateTime64(3, 'UTC')))
                                                   COMMENT 'those that have rows of their own, and the hour in which each was last heard of',
    refused         UInt64                         COMMENT 'groups heard of within 28 days that have none',
    refused_lately  UInt64                         COMMENT 'the same within a day',
    decided_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(decided_at)
ORDER BY (topic, kind);

ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS
    other_names     UInt64                         COMMENT 'of a row of what has no row of its own: how many names are counted in it, about'
    AFTER completeness;
ALTER TABLE stage_metrics ADD COLUMN IF NOT EXISTS
    other           Array(String) ALIAS arrayFilter(dimension -> endsWith(dimension, '_other'), arrayMap(one -> toString(one.1), group_key))
    COMMENT 'of which dimensions the row has all names without a row of their own: channel_other; empty: it is no such row';
ALTER TABLE stage_metrics MODIFY COLUMN IF EXISTS journey Nullable(String) ALIAS multiIf(has(group_key.1, 'journey_other'), '(other)', indexOf(group_key.1, 'journey') = 0, NULL, group_key[indexOf(group_key.1, 'journey')].2) COMMENT 'null: all together';
ALTER TABLE stage_metrics MODIFY COLUMN IF EXISTS stage Nullable(String) ALIAS multiIf(has(group_key.1, 'stage_other'), '(other)', indexOf(group_key.1, 'stage') = 0, NULL, group_key[indexOf(group_key.1, 'stage')].2) COMMENT 'null: all together';
ALTER TABLE stage_metrics MODIFY COLUMN IF EXISTS channel Nullable(String) ALIAS multiIf(has(group_key.1, 'channel_other'), '(other)', indexOf(group_key.1, 'channel') = 0, NULL, group_key[indexOf(group_key.1, 'channel')].2) COMMENT 'null: all together';
ALTER TABLE stage_metrics MODIFY COLUMN IF EXISTS segment Nullable(String) ALIAS multiIf(has(group_key.1, 'segment_other'), '(other)', indexOf(group_key.1, 'segment') = 0, NULL, group_key[indexOf(group_key.1, 'segment')].2) COMMENT 'null: all together';

ALTER TABLE journey_stages ADD COLUMN IF NOT EXISTS
    channels        Array(String)                  COMMENT 'those that its touchpoints name';
