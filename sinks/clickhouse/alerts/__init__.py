"""Alerts as ClickHouse holds them, and how far `watch` has judged."""
