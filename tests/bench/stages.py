"""Where the lane's time goes: the same events in one process, without Kafka and ClickHouse, timed stage by stage.

The program under measurement is not changed for it: the functions of the stages are wrapped while it runs. A stage's
time is its own, without that of the stages inside it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

import touchstream.streams.measure.deltas
import touchstream.streams.measure.events
import touchstream.streams.measure.lane
import touchstream.streams.worker.flush
from tests.bench import truth
from tests.bench.arena import PARTITIONS
from tests.bench.events import LATENESS_MS, Events
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.definitions import read_source
from touchstream.schemas.journey import DEFAULT_FILE
from touchstream.schemas.lane_row import LaneRow
from touchstream.sinks.clickhouse.rows import STAGE_PANES, arrow_stream, in_commit_order
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.measure.definitions import Definitions, document
from touchstream.streams.measure.deltas import Deltas
from touchstream.streams.measure.duplicates import CountedIds
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.panes import Panes
from touchstream.streams.measure.ragged import Ragged
from touchstream.streams.measure.records import Records

_POLL_BYTES: Final = 4 * 2**20  # what a worker fetches of a partition at a time
_PANES_MAX: Final = 200_000
_DAY_SECONDS: Final = 86_400


@dataclass
class Spent:
    """Wall-clock seconds, CPU seconds of all threads, and calls."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    calls: int = 0

    def add(self, seconds: float, cpu_seconds: float) -> None:
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds


@dataclass
class Stopwatches:
    """One for each stage; only the innermost runs."""

    spent: dict[str, Spent] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list)
    _since: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block, but for the stages inside it."""
        self._switch()
        self.spent.setdefault(name, Spent()).calls += 1
        self._running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def _switch(self) -> None:
        now = time.perf_counter(), time.process_time()
        if self._running:
            self.spent[self._running[-1]].add(now[0] - self._since[0], now[1] - self._since[1])
        self._since = now

    def timed(self, name: Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as a stage whose name may depend on its arguments."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            with self.stage(name(*arguments)):
                return function(*arguments, **named)

        return wrapped


def _called(name: str) -> Callable[..., str]:
    return lambda *_: name


_STAGES: Final[Sequence[tuple[object, str, Callable[..., str]]]] = (
    (touchstream.streams.measure.events, "decode_batch", _called("decode")),
    (touchstream.streams.measure.events, "refusals", _called("validity")),
    (CountedIds, "count", _called("duplicates")),
    (touchstream.streams.measure.lane, "resolve", _called("resolve stages")),
    (touchstream.streams.measure.lane, "measured", _called("late, sentiment")),
    (Deltas, "of", _called("panes 10 s")),
    (Deltas, "coarser", lambda _, resolution_s: f"panes {resolution_s:,} s"),
    (touchstream.streams.measure.deltas, "sketch_buckets", _called("sketch buckets")),
    (Panes, "_add", _called("panes: add to state")),
    (Ragged, "add", _called("sketches, revenue: add to state")),
    (Panes, "changed", _called("pane rows to Arrow")),
    (touchstream.streams.worker.flush, "_touchpoints", _called("raw rows to Arrow")),
    (Lane, "take", _called("rest of the lane")),
)


def profile(events: Events) -> dict[str, Spent]:
    """What each stage took of all lanes measuring all events. Raises WrongError."""
    lanes = [_lane(partition) for partition in range(PARTITIONS)]
    polls = list(_polls(events))
    watches = Stopwatches()
    touches = 0
    with ExitStack() as wrapping:
        for owner, name, stage in _STAGES:
            wrapping.enter_context(patch.object(owner, name, watches.timed(stage, getattr(owner, name))))
        for start in range(0, len(polls), PARTITIONS):
            for partition, records in polls[start : start + PARTITIONS]:
                lanes[partition].take(records)
            touches += _flush([lane for lane in lanes if lane.changed], watches)
    truth.require_equal("the lanes", "events", touches, len(events))
    return watches.spent


def _flush(lanes: Sequence[Lane], watches: Stopwatches) -> int:
    """What a flush does before it is sent; the raw events in it."""
    with watches.stage("rest of the flush"):
        tables = in_commit_order(
            touchstream.streams.worker.flush.flush_of([lane.flush_rows() for lane in lanes]).tables
        )
        with watches.stage("Arrow to bytes"):
            for rows in tables.values():
                arrow_stream(rows)
        for lane in lanes:
            lane.flushed(_PANES_MAX)
    touchpoints: int = tables["touchpoints"].num_rows
    return touchpoints


def _lane(partition: int) -> Lane:
    content = document(
        read_source(DEFAULT_FILE.read_text(encoding="utf-8"), DEFAULT_FILE.name).content,
        lateness_seconds=LATENESS_MS / 1000,
        duplicate_horizon_seconds=_DAY_SECONDS,
        pane_retention_days=0,
    )
    version = content["version"]
    row = LaneRow("touchpoints", partition, "log", 1, 0, 0, 0, version)
    return Lane(
        row, Definitions.parse(msgspec.json.encode(content)), WriterSchemas(), lambda _: STAGE_PANES.empty_table()
    )


def _polls(events: Events) -> Iterator[tuple[int, Records]]:
    """The events as polls of each partition, in the order of the log."""
    values, keys = events.record_values(), events.record_keys()
    partitions = np.fromiter((lane_of(key, PARTITIONS) for key in keys), np.int64, len(keys))
    size = max(1, _POLL_BYTES * len(values) // sum(map(len, values)))
    of_lane = [np.flatnonzero(partitions == partition) for partition in range(PARTITIONS)]
    for start in range(0, max(map(len, of_lane)), size):
        for partition, positions in enumerate(of_lane):
            chosen = positions[start : start + size]
            if len(chosen):
                yield (
                    partition,
                    Records(
                        offsets=np.arange(start, start + len(chosen)),
                        timestamps_ms=events.record_at[chosen],
                        keys=[keys[at] for at in chosen],
                        values=[values[at] for at in chosen],
                        headers=[()] * len(chosen),
                    ),
                )


def print_stages(console: Console, spent: Mapping[str, Spent], events: int) -> None:
    """One line for each stage, the dearest first."""
    table = Table(title=f"{events:,} events through {PARTITIONS} lanes, per million events")
    for name in ("stage", "seconds", "CPU seconds", "share of CPU", "calls"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    millions, whole = events / 1e6, sum(one.cpu_seconds for one in spent.values())
    for name, one in sorted(spent.items(), key=lambda stage: -stage[1].cpu_seconds):
        table.add_row(
            name,
            f"{one.seconds / millions:.2f}",
            f"{one.cpu_seconds / millions:.2f}",
            f"{one.cpu_seconds / whole:.0%}",
            f"{one.calls:,}",
        )
    seconds = sum(one.seconds for one in spent.values())
    table.add_row("all", f"{seconds / millions:.2f}", f"{whole / millions:.2f}", "100%", "", style="bold")
    console.print(table)
