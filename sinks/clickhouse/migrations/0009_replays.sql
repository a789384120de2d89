-- Which dead letters were published again, and when (docs/decisions/0011). A row is written before its letter is sent and
-- once more when Kafka has acknowledged it: a replay that was interrupted between the two is known as such.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    letter          String                         COMMENT 'log_id/partition/log_offset where it was refused first; a letter that is refused again is the same',
    attempt         UInt32                         COMMENT 'counts from 1; the header touchstream-replay-attempt',
    started_at      DateTime64(3, 'UTC')           COMMENT 'before it was sent',
    outcome         LowCardinality(String)         COMMENT 'started, published, counted: its event had been counted, it was not sent',
    replayed_at     DateTime64(3, 'UTC')           COMMENT '1970: not known to be in the log'
)
ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (letter, attempt);
