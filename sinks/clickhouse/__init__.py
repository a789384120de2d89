"""ClickHouse: migrations, the writer of lanes, and the queries that people and programs share."""
