"""HTTP servers: bounded connections, the names they are asked by, what Prometheus scrapes."""
