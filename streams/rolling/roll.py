"""Rolling windows, written twice a second by one worker: the one that owns lane 0.

Two leaders for a moment do no harm: they write the same rows. What is judged later, by alerts, are complete windows in
event time: those whose end the watermark of every lane has passed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.windows import WINDOWS, Window
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.rolling.store import completed_ticks, rolling_at, too_expensive, write_rolling
from touchstream.sinks.prometheus import RollingGauges
from touchstream.streams.broker.progress import Reached, reached
from touchstream.streams.process import metrics
from touchstream.streams.rolling.outlet import Complete
from touchstream.streams.rolling.series import Admission
from touchstream.streams.worker.leader import Duty

_LOOK_SECONDS: Final = 0.5
UNCHANGED_MS: Final = 5_000
"""Unchanged rows are written again after this time, because they record how current they are."""
SHARE_MAX: Final = 0.5
"""Largest fraction of wall-clock time spent writing windows; the rest is left to ClickHouse."""
QUICK: Final = tuple(window for window in WINDOWS if window.watched)
"""Windows that are watched live. The others, of which one may take seconds, are written in a thread of their own."""
SLOWER: Final = tuple(window for window in WINDOWS if window not in QUICK)
SLOWER_SHARE_MAX: Final = 0.25
_DEAR_LOOK_MS: Final = 5_000
BEHIND_SHARE: Final = 0.1
"""Rest between steps as a fraction of the lanes' lag: rows a minute behind may well be six seconds older, and lanes
that catch up need the machine more."""
BEHIND_SECONDS_MAX: Final = 10.0
FAR_BEHIND_SECONDS: Final = 10.0
"""A lag from which on lanes catch up; below it the machine is busy, and the page is to be fresh all the same."""
FAR_BEHIND_SHARE_MAX: Final = 0.1
"""SHARE_MAX while lanes lag by more than FAR_BEHIND_SECONDS: sums that lack recent events are of little use."""
LONG_MS: Final = 3_600_000
"""Windows longer than this are expensive."""
COMPLETED_AT_ONCE: Final = 8
"""Most complete windows written in one step, the oldest first, so that a backlog doesn't hold up live windows."""
CAUGHT_UP_MAX: Final = 60
"""Most ticks of a window written after an outage: ten minutes of the shortest steps. Older ones are never written."""
GAUGES_MS: Final = 5_000
GAUGED: Final = ("5m", "1h", "24h")
"""Windows exported to Prometheus, which keeps their history: now, lately, and a whole day."""


@dataclass(frozen=True)
class _Written:
    """When a live window was last written, at which tick, and how far the lanes had read by then."""

    at_ms: int
    tick_ms: int
    read: Mapping[int, Reached]


_NEVER: Final = _Written(0, 0, {})


def behind_seconds(rows: Sequence[WrittenLaneRow], now_ms: int) -> float:
    """Lag of the least delayed lane in seconds, so that one stuck lane slows nothing.

    A lane that has read nothing yet has no clock, and isn't behind.
    """
    newest_ms = max((row.lane_clock_ms for row in rows if row.lane_clock_ms > 0), default=now_ms)
    return max(0, now_ms - newest_ms) / 1000


def rest_seconds(took: float, share_max: float, behind: float) -> float:
    """Seconds to rest after a step of `took` seconds, so that lanes that lag by `behind` seconds catch up first."""
    if behind > FAR_BEHIND_SECONDS:
        share_max = min(share_max, FAR_BEHIND_SHARE_MAX)
    return max(took * (1 / share_max - 1), min(BEHIND_SECONDS_MAX, behind * BEHIND_SHARE))


class Roll:
    """Decides which windows are due, and writes them. Blocking; made for one thread."""

    def __init__(
        self,
        client: Client,
        topic: str,
        partitions: int,
        gauges: RollingGauges,
        windows: tuple[Window, ...] = WINDOWS,
        completed: Callable[[Complete], None] = lambda _: None,
        admission: Admission | None = None,
    ) -> None:
        """completed: called with each window that has become complete, once its rows are written.

        admission: bounds how many groups have rows of their own; without it, one with the default bound does.
        """
        self._client, self._topic, self._partitions, self._windows = client, topic, partitions, windows
        self._gauges, self._admission = gauges, admission or Admission(client, topic)
        self._report = completed
        self._written: dict[str, _Written] = {}
        self._shown_at: dict[str, int] = {}
        self._completed: dict[str, int] | None = None  # not known before the first look
        self._uncounted, self._dear_looked_at = frozenset[Window](), 0
        self._read: Mapping[int, Reached] = {}
        self.behind_seconds = 0.0
        """Lag of the lanes at the last step, in seconds; 0 if none has moved since the step before: all have read
        everything, or are stuck."""

    def step(self, now_ms: int) -> int:
        """Write the live windows that are due and the windows that have become complete; how many were written."""
        rows = lanes(self._client, self._topic)
        # Within a tick, live rows depend on nothing but how far each lane has read.
        read = reached(rows)
        self.behind_seconds = behind_seconds(rows, now_ms) if read != self._read else 0.0
        self._read = read
        due = self._due(now_ms, read) if any(row.next_offset for row in rows) else []
        complete = self._newly_complete(rows)
        for together in _shared([*due, *complete]):
            starts, ends = zip(*((tick - window.length_ms, tick) for window, tick in together), strict=True)
            self._admission.before_rows(now_ms, min(starts), min(ends))
            write_rolling(self._client, self._topic, together, self._too_expensive(now_ms))
        for window, tick in due:
            self._written[window.name] = _Written(now_ms, tick, read)
        self._show(due, now_ms)
        for window, tick in complete:
            self._completed = (self._completed or {}) | {window.name: tick}
            self._report((window, tick))
            metrics.COMPLETE_TICK.labels(window.name).set(tick / 1000)
        return len(due) + len(complete)

    def rows(self, window: Window, tick_ms: int, totals_only: bool = False) -> list[dict[str, Any]]:
        """The rows of a window at a tick; totals_only: over all channels and segments."""
        return rolling_at(self._client, self._topic, window, tick_ms, totals_only)

    def rest(self) -> None:
        """Another worker leads: what this one shows would grow old."""
        self.behind_seconds = 0.0
        self._gauges.clear()
        self._shown_at.clear()
        self._completed = None
        metrics.COMPLETE_TICK.clear()

    def _too_expensive(self, now_ms: int) -> frozenset[Window]:
        if now_ms - self._dear_looked_at >= _DEAR_LOOK_MS:
            self._uncounted = too_expensive(self._client, self._topic, self._windows)
            self._dear_looked_at = now_ms
        return self._uncounted

    def _show(self, due: list[tuple[Window, int]], now_ms: int) -> None:
        """What was written, as gauges; Prometheus doesn't look more often."""
        for window, tick in due:
            if window.name in GAUGED and now_ms - self._shown_at.get(window.name, 0) >= GAUGES_MS:
                self._gauges.show(window.name, tick, self.rows(window, tick, totals_only=True))
                self._shown_at[window.name] = now_ms

    def _due(self, now_ms: int, read: Mapping[int, Reached]) -> list[tuple[Window, int]]:
        """The live windows to write now: of the long ones one at a time, so that the short ones never wait for all."""
        due = [window for window in self._windows if self._is_due(window, now_ms, read)]
        long = [window for window in due if window.length_ms > LONG_MS]
        waiting = sorted(long, key=lambda window: self._last(window).at_ms)[1:]
        return [(window, window.live_tick(now_ms)) for window in due if window not in waiting]

    def _is_due(self, window: Window, now_ms: int, read: Mapping[int, Reached]) -> bool:
        last = self._last(window)
        if now_ms - last.at_ms < window.refresh_ms:
            return False
        changed = (last.tick_ms, last.read) != (window.live_tick(now_ms), read)
        return changed or now_ms - last.at_ms >= UNCHANGED_MS

    def _last(self, window: Window) -> "_Written":
        return self._written.get(window.name, _NEVER)

    def _newly_complete(self, rows: Sequence[WrittenLaneRow]) -> list[tuple[Window, int]]:
        if len(rows) < self._partitions or any(row.watermark_ms <= 0 for row in rows):
            return []  # a lane that has seen nothing yet has passed nothing
        if self._completed is None:
            self._completed = completed_ticks(self._client, self._topic)
        watermark = min(row.watermark_ms for row in rows)
        found = []
        for window in self._windows:
            newest = window.last_tick(watermark)
            before = self._completed.get(window.name, newest - window.step_ms)
            first = max(before + window.step_ms, newest - (CAUGHT_UP_MAX - 1) * window.step_ms)
            found += [(window, tick) for tick in range(first, newest + 1, window.step_ms)]
        return sorted(found, key=lambda complete: complete[1])[:COMPLETED_AT_ONCE]


def _shared(ticks: list[tuple[Window, int]]) -> list[list[tuple[Window, int]]]:
    """Which windows are written by one statement: the short ones together, for they need nearly the same panes."""
    short = [tick for tick in ticks if tick[0].length_ms <= LONG_MS]
    return ([short] if short else []) + [[tick] for tick in ticks if tick[0].length_ms > LONG_MS]


def roll_duty(roll: Roll, share_max: float) -> Duty:
    """A step every half second, less often where steps take long or lanes are behind.

    share_max: largest fraction of the time that may be spent on steps.
    """

    def step() -> None:
        started = time.monotonic()
        roll.step(times.now_ms())
        metrics.ROLL_SECONDS.observe(time.monotonic() - started)

    def pause_seconds(took: float) -> float:
        return max(_LOOK_SECONDS - took, rest_seconds(took, share_max, roll.behind_seconds))

    return Duty("roll", step, pause_seconds, "rolling windows not written", roll.rest, metrics.ROLL_FAILURES)
