"""Rolling windows: which are due, their rows in ClickHouse, and what is published of them."""
