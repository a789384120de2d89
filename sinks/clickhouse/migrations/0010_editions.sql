-- Editions (docs/decisions/0012): the tables of one version of the definitions, each in a database of its own. These two
-- tables are looked at in the database that CLICKHOUSE_URL names, and in no other.
CREATE TABLE IF NOT EXISTS editions
(
    database        String,
    version         String                         COMMENT 'of the definitions',
    from_ms         Int64                          COMMENT 'event time since which events count under this version; what occurred before is history',
    spans           Array(Tuple(log_id String, partition UInt32, from_offset UInt64, to_offset UInt64)) COMMENT 'what is read again; history holds what occurred before from_ms, below to_offset',
    begun_at        DateTime64(3, 'UTC'),
    filled_at       DateTime64(3, 'UTC')           COMMENT '1970: not yet'
)
ENGINE = ReplacingMergeTree(filled_at)
ORDER BY database;

-- Which database is asked and written: the newest row. Without any: this one.
CREATE TABLE IF NOT EXISTS editions_in_force
(
    since           DateTime64(6, 'UTC'),
    database        String
)
ENGINE = ReplacingMergeTree
ORDER BY (since, database);
