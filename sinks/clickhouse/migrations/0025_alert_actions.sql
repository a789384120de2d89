-- What people did about alerts (docs/decisions/0033): each a row that stays. Which of them hold now is computed by readers.
CREATE TABLE IF NOT EXISTS alert_actions
(
    topic           LowCardinality(String),
    kind            LowCardinality(String)         COMMENT 'ack, silence, unsilence',
    id              String                         COMMENT 'of the alert, or of the silence: a digest of whom it is for',
    at              DateTime64(3, 'UTC')           COMMENT 'when, by the clock of who did it',
    namespaces      Array(LowCardinality(String))  COMMENT 'of the alerts; none: all',
    rule            LowCardinality(String)         COMMENT 'of the alerts; empty: all',
    group_key       Array(Tuple(LowCardinality(String), String)) COMMENT '(dimension, name) that the groups of the alerts have',
    since           DateTime64(3, 'UTC')           COMMENT 'ack: when the alert began to fire, in event time',
    until           DateTime64(3, 'UTC')           COMMENT 'silence: its end, by the clock',
    by              String                         COMMENT 'who did it',
    reason          String,
    written_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, id, at, kind)
TTL toDateTime(at) + toIntervalDay(400);
