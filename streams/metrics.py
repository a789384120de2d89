"""What a worker tells Prometheus: each metric declared once, with what it means."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EVENTS: Final = Counter(
    "touchstream_events",
    "Events of the log that this worker has judged, by outcome: counted, duplicate, or the reason of their refusal.",
    ["outcome"],
)
LATE: Final = Counter("touchstream_late_events", "Counted events that occurred long before their record's timestamp.")
LANES_OWNED: Final = Gauge("touchstream_lanes_owned", "Lanes that this worker has taken over and measures.")
PENDING_ROWS: Final = Gauge("touchstream_pending_rows", "Events and dead letters that wait for a flush.")
FLUSH_SECONDS: Final = Histogram(
    "touchstream_flush_seconds",
    "From the start of a flush to its acknowledgement by ClickHouse, in seconds.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
ROLL_SECONDS: Final = Histogram(
    "touchstream_roll_seconds",
    "One round of writing rolling windows, in seconds.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
HEARTBEATS: Final = Counter("touchstream_heartbeats", "Heartbeat records published to lanes that had nothing to read.")

GATEWAY_REQUESTS: Final = Counter(
    "touchstream_gateway_requests",
    "Requests to the gateway, by path (other: none of its own) and status (499: the caller went away first).",
    ["path", "status"],
)
GATEWAY_EVENTS: Final = Counter(
    "touchstream_gateway_events",
    "Events sent to the gateway, by outcome: accepted (Kafka has them), unacknowledged (answered 503), or the reason of"
    " their refusal.",
    ["outcome"],
)
GATEWAY_AT_WORK: Final = Gauge(
    "touchstream_gateway_at_work", "Requests whose events the gateway holds now; above a bound, more are answered 503."
)
GATEWAY_SECONDS: Final = Histogram(
    "touchstream_gateway_seconds",
    "From a request's head to the end of its answer, by path, in seconds.",
    ["path"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
