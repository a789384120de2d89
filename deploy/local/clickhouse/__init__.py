"""ClickHouse without a server: its engine (chDB) in a process of its own, behind ClickHouse's HTTP interface."""
