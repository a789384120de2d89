"""What the page tells Prometheus: each metric declared once, with what it means."""

from typing import Final

from prometheus_client import Gauge, Histogram

VIEWERS: Final = Gauge("touchstream_page_viewers", "Pages that are open; at most 500, further ones are answered 503.")
SELECTIONS: Final = Gauge("touchstream_page_selections", "Boards that the page remembers; at most 256.")
KEPT: Final = Gauge(
    "touchstream_page_kept", "Answers of ClickHouse that the page keeps for some seconds; at most 256 of each kind."
)
READ_SECONDS: Final = Histogram(
    "touchstream_page_read_seconds",
    "Time in which newer numbers were read from ClickHouse and drawn, once for all viewers of a selection.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
