"""Published → durable and queryable while a worker is half busy: of every event, not of probes.

An event is queryable once the lane row behind it stands in ClickHouse, for raw events and panes were acknowledged
before. From its record's timestamp, set by the call that publishes it, to the instant of that row, which ClickHouse
sets: one clock, because both are on this machine. Full speed is measured first, on as many events that wait in the log.
"""

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from rich.console import Console

from tests.bench import ours
from tests.bench.arena import PARTITIONS, Arena, Topic, arena, fill_topic, local_broker
from tests.bench.events import Events
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, running
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.streams.broker.progress import behind, reached
from touchstream.streams.broker.topics import LogPosition, TopicSpec, ensure_topics, log_identity
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.process.connection import KafkaConnection

_SLICE_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.1
_WARM_SECONDS: Final = 5.0
"""Left out at the beginning: Python compiles, ClickHouse opens its files."""
_QUERYABLE_SECONDS_MAX: Final = 60.0


class TooFewError(ValueError):
    """All events were published while none counted yet."""


@dataclass(frozen=True)
class HalfLoad:
    """Events a second at full speed and as published; seconds from publishing to queryable, of so many events."""

    full_per_second: float
    published_per_second: float
    events: int
    p50: float
    p99: float
    load_average: float

    def document(self) -> dict[str, Any]:
        """As `build/bench.json` has it."""
        return vars(self)


def measure_half_load(directory: Path, events: Events) -> HalfLoad:
    """Full speed, then half of it, on the local broker.

    Raises WrongError, TooFewError, DeliveryFailed, TimeoutError.
    """
    with arena(directory, local_broker(directory)) as place:
        return _measure(place, events, os.getloadavg()[0])


def _measure(place: Arena, events: Events, load_average: float) -> HalfLoad:
    waiting, topic = Topic("waiting", events), Topic("live", events)
    connection = KafkaConnection.from_url(place.broker.url)
    ensure_topics(connection, [TopicSpec(one.name, PARTITIONS, 1) for one in (waiting, topic)])
    asyncio.run(fill_topic(BulkDestination(connection, waiting.name), waiting.events))
    full = ours.run(place, waiting, 0, ours.Ours("full")).events_per_second
    with place.database("half") as (url, client):
        gate = ours.Gate(free_port())
        environment = ours.prepared(place, topic, url, "half") | {"TOUCHSTREAM_METRICS_PORT": str(gate.metrics_port)}
        with running(Child("half", (*ours.COMMAND, "worker"), gate.open, environment), place.logs):
            rows = _LaneRows(connect(url), topic.name)
            seconds = asyncio.run(_publish(BulkDestination(connection, topic.name), topic.events, full / 2))
            rows.until_behind(connection)
        latencies = _latencies(client, rows.seen)
    if not len(latencies):
        raise TooFewError(f"{len(events):,} events lasted {seconds:.1f} s, of which {_WARM_SECONDS:g} don't count")
    p50, p99 = np.quantile(latencies, [0.5, 0.99]).tolist()
    return HalfLoad(full, len(events) / seconds, len(latencies), p50, p99, load_average)


async def _publish(destination: BulkDestination, events: Events, per_second: float) -> float:
    """Publish them evenly; how many seconds that took."""
    keys, values = events.record_keys(), events.record_values()
    async with LaneBatches.to(destination) as batches:
        started = time.monotonic()
        sent = 0
        while sent < len(events):
            due = min(len(events), int((time.monotonic() - started) * per_second))
            if due > sent:
                await batches.add(keys[sent:due], values[sent:due], now_ms())
                await batches.send_begun()
            sent = due
            await asyncio.sleep(_SLICE_SECONDS)
        await batches.flush()
    return time.monotonic() - started


class _LaneRows:
    """Looks at the lane rows again and again, until all of the topic is in the tables."""

    def __init__(self, client: Client, topic: str) -> None:
        self.seen: dict[int, dict[int, int]] = {}
        """By partition: the offset behind what is in the tables, to when (ms) its row was written."""
        self._client, self._topic = client, topic
        self._ends: Mapping[int, LogPosition] | None = None
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def until_behind(self, connection: KafkaConnection) -> None:
        """Wait until the tables have reached the end of the log as of now. Raises TimeoutError."""
        self._ends = log_identity(connection, self._topic)
        self._thread.join(_QUERYABLE_SECONDS_MAX)
        if self._thread.is_alive():
            raise TimeoutError(f"not all events are queryable {_QUERYABLE_SECONDS_MAX:g} s after the last one")

    def _look(self) -> None:
        while True:
            rows = lanes(self._client, self._topic)
            for row in rows:
                self.seen.setdefault(row.partition, {})[row.next_offset] = row.written_at_ms
            if self._ends is not None and not behind(self._ends, reached(rows)):
                return
            time.sleep(_LOOK_SECONDS)


def _latencies(client: Client, seen: dict[int, dict[int, int]]) -> npt.NDArray[np.float64]:
    """Seconds of each event. A lane row that no look has seen counts as the next one, which came later."""
    query = (
        "SELECT partition, log_offset, toUnixTimestamp64Milli(record_at) AS record_ms FROM touchpoints FINAL"
        " ORDER BY partition, log_offset"
    )
    found = client.query_arrow(query)
    partitions, offsets, record_ms = (found[name].to_numpy().astype(np.int64) for name in found.column_names)
    latencies = np.empty(len(offsets))
    for partition, rows in seen.items():
        of_lane = partitions == partition
        ends = np.array(sorted(rows))
        written_ms = np.array([rows[end] for end in ends.tolist()])
        behind_it = np.searchsorted(ends, offsets[of_lane], side="right")
        latencies[of_lane] = (written_ms[behind_it] - record_ms[of_lane]) / 1000
    warm: npt.NDArray[np.bool_] = record_ms >= record_ms.min() + _WARM_SECONDS * 1000
    return latencies[warm]


def print_half_load(console: Console, found: HalfLoad) -> None:
    """One line for people."""
    console.print(
        f"full speed {found.full_per_second:,.0f} events/s; at {found.published_per_second:,.0f} events/s, from"
        f" publishing to queryable: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s ({found.events:,} events;"
        f" load average {found.load_average:.1f})"
    )
