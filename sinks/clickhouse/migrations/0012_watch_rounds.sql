-- How far `watch` has judged, as of its newest round: one that is dead or late must not look like one that finds nothing.
CREATE TABLE IF NOT EXISTS watch_rounds
(
    topic      LowCardinality(String),
    rules      UInt32                         COMMENT 'how many it judges',
    step_ms    Int64                          COMMENT 'distance of the windows that it judges most often; 0 without rules',
    judged_to  DateTime64(3, 'UTC')           COMMENT 'complete windows that end by then have been judged by every rule',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY topic;
