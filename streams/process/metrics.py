"""Prometheus metrics of workers and other processes, each declared once with its meaning."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import REGISTRY, Counter, Enum, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class LaneGauge(Collector):
    """A gauge of each lane that this worker owns, by partition; lanes that moved away have none."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._values: Callable[[], Mapping[int, float]] = dict
        REGISTRY.register(self)

    def set_function(self, values: Callable[[], Mapping[int, float]]) -> None:
        """values: of each partition, asked for whenever Prometheus asks, in another thread."""
        self._values = values

    def describe(self) -> Iterator[Metric]:
        """The gauge, without values."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=["partition"])

    def collect(self) -> Iterator[Metric]:
        """The gauge as it is now."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=["partition"])
        for partition, value in sorted(self._values().items()):
            family.add_metric([str(partition)], value)
        yield family


WORKER_STATE: Final = Enum(
    "touchstream_worker_state",
    "As /readyz of the worker says it; 1 at the state that it is in.",
    states=["starting", "ready", "idle", "disconnected", "stuck"],
    registry=None,
)
"""Registered by workers only: in another process it would report `starting` for ever."""
EVENTS: Final = Counter(
    "touchstream_events",
    "Events of the log that this worker has judged, by outcome: counted, duplicate, or the reason of their refusal.",
    ["outcome"],
)
LATE: Final = Counter("touchstream_late_events", "Counted events that occurred long before their record's timestamp.")
SKIPPED_OFFSETS: Final = Counter(
    "touchstream_skipped_offsets",
    "Offsets that a log holds no record for: ends of transactions, those that were aborted, what was compacted.",
)
CONFLICTING: Final = Counter(
    "touchstream_conflicting_events", "Duplicates that say something else than the event that was counted."
)
LANES_OWNED: Final = Gauge("touchstream_lanes_owned", "Lanes that this worker has taken over and measures.")
TAKE_OVERS: Final = Counter(
    "touchstream_take_overs", "Lanes loaded from the tables: at the start, and whenever partitions moved here."
)
LAG_RECORDS: Final = LaneGauge(
    "touchstream_lag_records", "Records between what a lane has measured and its log's end as of the last fetch."
)
WATERMARK_AGE_SECONDS: Final = LaneGauge(
    "touchstream_watermark_age_seconds",
    "How far a lane's watermark is behind the clock, in seconds; LATENESS_SECONDS and a little where all is well.",
)
BATCH_RECORDS: Final = Histogram(
    "touchstream_batch_records",
    "Records that a lane measures in one piece: those since the last flush, or a large poll.",
    buckets=(1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000),
)
BLOCKED_SECONDS: Final = Counter(
    "touchstream_blocked_seconds",
    "Back-pressure: time in which lanes did not read, because too many rows were pending.",
)
LANES_HELD: Final = Gauge(
    "touchstream_lanes_held", "Lanes that read nothing until the dead-letter topic acknowledges their dead letters."
)
DEAD_LETTERS: Final = Counter(
    "touchstream_dead_letters", "Dead letters that topic and table have acknowledged, by reason.", ["reason"]
)
LOST_RECORDS: Final = Counter(
    "touchstream_lost_records",
    "Offsets that Kafka deleted before a lane had measured them: retention, or records deleted on purpose; events that"
    " were lost with their log before they were written.",
)
PENDING_ROWS: Final = Gauge("touchstream_pending_rows", "Events and dead letters that wait for a flush.")
PANES: Final = LaneGauge("touchstream_panes", "Panes of a lane in memory; at most 200,000 after a flush.")
SERIES: Final = LaneGauge(
    "touchstream_series", "Names (journey, stage, channel, touchpoint, segment) of a lane that are in memory."
)
LABELS: Final = LaneGauge(
    "touchstream_labels",
    "Sketch buckets and currencies in the panes of a lane in memory; at most 4,000,000 after a flush.",
)
RESOLVED: Final = LaneGauge(
    "touchstream_resolved_touchpoints",
    "Remembered answers of the journey file that a lane asks; lanes with the same file share them; at most 20,000.",
)
REMEMBERED_IDS: Final = LaneGauge(
    "touchstream_remembered_ids",
    "Event ids that a lane remembers, some 40 bytes each: those of the duplicate horizon, at most as many again.",
)
UNPUBLISHED_WINDOWS: Final = Gauge(
    "touchstream_unpublished_windows",
    "Complete windows that wait for an outlet, the topic stage-metrics; of more than 10,000 the oldest are left out.",
)
FLUSH_ROWS: Final = Histogram(
    "touchstream_flush_rows",
    "Events and panes that one flush writes.",
    buckets=(1, 10, 100, 1_000, 10_000, 50_000, 100_000, 500_000),
)
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
ROLL_JOURNEYS_SECONDS: Final = Histogram(
    "touchstream_roll_journeys_seconds",
    "Writing one rolling window of journeys, in seconds.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
ROLL_FAILURES: Final = Counter(
    "touchstream_roll_failures", "Rounds of writing rolling windows that ClickHouse did not take; tried again."
)
SERIES_ADMITTED: Final = Gauge(
    "touchstream_series_admitted",
    "Groups that have rolling rows of their own, by kind: journey; stage; channel, segment or both (cross) in a stage;"
    " only where it leads.",
    ["kind"],
)
SERIES_REFUSED: Final = Gauge(
    "touchstream_series_refused",
    "Groups heard of within a day that have none, for there are too many names: they are counted together, as other;"
    " only where it leads.",
    ["kind"],
)
COMPLETE_TICK: Final = Gauge(
    "touchstream_complete_tick_timestamp_seconds",
    "End of the newest complete window that this worker has written, by window; only where it has led.",
    ["window"],
)
STAGE_METRICS: Final = Counter("touchstream_stage_metrics_messages", "Rolling rows that the topic has acknowledged.")
DRIFT_PANES: Final = Gauge(
    "touchstream_drift_panes",
    "Panes that were not what their raw events say, in the interval that was compared last; only where it leads.",
)
MISROUTED: Final = Gauge(
    "touchstream_misrouted_events",
    "Events of the interval that was compared last that came under another Kafka key than their customer, or outside of"
    " its partition; only where it leads.",
)
TWINS: Final = Gauge(
    "touchstream_twin_events",
    "Ids of a source that count more than once in the interval that was compared last, under two Kafka keys or in two"
    " partitions; only where it leads.",
)
RECONCILED: Final = Gauge(
    "touchstream_reconciled_timestamp_seconds",
    "End of the interval in which panes were last compared with raw events; 0 where it does not lead.",
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
GATEWAY_REFUSED_NOT_KEPT: Final = Counter(
    "touchstream_gateway_refused_not_kept",
    "Refused events that are no dead letters, by reason: their key sent too many in that minute, or Kafka was away.",
    ["reason"],
)
GATEWAY_AT_WORK: Final = Gauge(
    "touchstream_gateway_at_work", "Requests whose events are being judged or sent now; above a bound, others wait."
)
GATEWAY_KEYS_STALE: Final = Gauge(
    "touchstream_gateway_keys_stale_seconds",
    "For how long the file of API keys can't be read; 0 while it can. Above a bound no key is taken.",
)
GATEWAY_KEY_LINES_BROKEN: Final = Gauge(
    "touchstream_gateway_key_lines_broken", "Lines of the file of API keys that can't be used; their keys are refused."
)
GATEWAY_SECONDS: Final = Histogram(
    "touchstream_gateway_seconds",
    "From a request's head to the end of its answer, by path, in seconds.",
    ["path"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)

NORMALISED: Final = Counter(
    "touchstream_normalised_events",
    "Events that `normalise` made of foreign messages, by outcome: accepted (Kafka has them), or the reason of their"
    " refusal (their dead letters are in Kafka).",
    ["outcome"],
)
NORMALISE_SKIPPED: Final = Counter(
    "touchstream_normalise_skipped_messages", "Messages of the foreign topic that are no events, by why.", ["why"]
)
NORMALISE_LAG: Final = LaneGauge(
    "touchstream_normalise_lag_records",
    "Records between what `normalise` has read of a partition of the foreign topic and its end as of the last fetch.",
)
NORMALISE_LOST: Final = Counter(
    "touchstream_normalise_lost_records", "Offsets of the foreign topic that Kafka deleted before they were read."
)
NORMALISE_FAILURES: Final = Counter(
    "touchstream_normalise_failures", "Errors after which `normalise` began anew, from what it had committed last."
)

WATCH_STATE: Final = Enum(
    "touchstream_watch_state",
    "As /readyz of watch says it; 1 at the state that it is in.",
    states=["ready", "starting", "disconnected", "stuck"],
    registry=None,
)
"""Registered by `watch` only: in another process it would report `ready` for ever."""
WATCH_TICKS: Final = Counter("touchstream_watch_ticks", "Complete windows that were judged, by rule.", ["rule"])
WATCH_JUDGED: Final = Gauge(
    "touchstream_watch_judged_timestamp_seconds", "End of the newest window that was judged, by rule.", ["rule"]
)
WATCH_FIRING: Final = Gauge("touchstream_watch_firing", "Alerts that are firing, by rule.", ["rule"])
WATCH_UNJUDGED: Final = Gauge(
    "touchstream_watch_unjudged",
    "Groups that could not be judged in the newest window (too few answers, no value, no baseline), by rule.",
    ["rule"],
)
WATCH_CHANGES: Final = Counter(
    "touchstream_watch_changes", "Changes of alerts, by rule and new state.", ["rule", "state"]
)
WATCH_SECONDS: Final = Histogram(
    "touchstream_watch_seconds",
    "One round of judging all rules, in seconds.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
NOTIFICATIONS: Final = Counter(
    "touchstream_notifications",
    "Attempts to tell of a change, by destination and outcome: delivered, refused (given up) or failed (tried again).",
    ["destination", "outcome"],
)
UNDELIVERED: Final = Gauge(
    "touchstream_undelivered_notifications",
    "Changes that a destination has still to be told of, counted up to a hundred, by destination.",
    ["destination"],
)
