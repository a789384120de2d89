"""The whole stack on one machine without Docker: a broker, ClickHouse, and what keeps processes running."""
