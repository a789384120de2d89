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
