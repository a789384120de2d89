"""Rolling windows, written every second by one worker: the one that owns lane 0.

Two leaders for a moment do no harm: they write the same rows. What is judged later, by alerts, are complete windows in
event time: those whose end the watermark of every lane has passed.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.clickhouse.errors import first_line
from sinks.clickhouse.queries import lanes
from sinks.clickhouse.rolling import WINDOWS, Window, completed_ticks, rolling_at, write_rolling
from sinks.prometheus import RollingGauges
from streams import metrics
from streams.stage_metrics import UNPUBLISHED_MAX, Complete

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0
LONG_MS: Final = 3_600_000
"""Windows that are longer are dear."""
COMPLETED_AT_ONCE: Final = 8
"""In one step, the oldest first: after an outage, what was missed must not hold up what is live."""
CAUGHT_UP_MAX: Final = 60
"""Ticks of a window that are written after an outage: ten minutes of the shortest steps. Older ones stay unwritten."""
GAUGED: Final = ("5m", "1h", "24h")
"""The windows that Prometheus gets: now, lately, and a whole day's rhythm. It has a memory of its own."""


class Roll:
    """Decides which windows are due, and writes them. Blocking; made for one thread."""

    def __init__(
        self,
        client: Client,
        topic: str,
        partitions: int,
        gauges: RollingGauges,
        windows: tuple[Window, ...] = WINDOWS,
    ) -> None:
        self._client, self._topic, self._partitions, self._windows = client, topic, partitions, windows
        self._gauges = gauges
        self.unpublished: deque[Complete] = deque(maxlen=UNPUBLISHED_MAX)
        """Windows that have become complete, for the topic `stage-metrics`."""
        self._written_at: dict[str, int] = {}
        self._completed: dict[str, int] | None = None  # not known before the first look

    def step(self, now_ms: int) -> int:
        """Write the live windows that are due and the windows that have become complete; how many were written."""
        due = self._due(now_ms)
        for window, tick in due:
            write_rolling(self._client, self._topic, window, tick)
            self._written_at[window.name] = now_ms
            if window.name in GAUGED:
                self._gauges.show(window.name, tick, self.rows(window, tick, totals_only=True))
        complete = self._newly_complete()
        for window, tick in complete:
            write_rolling(self._client, self._topic, window, tick)
            self._completed = (self._completed or {}) | {window.name: tick}
            self.unpublished.append((window, tick))
            metrics.COMPLETE_TICK.labels(window.name).set(tick / 1000)
        return len(due) + len(complete)

    def rows(self, window: Window, tick_ms: int, totals_only: bool = False) -> list[dict[str, Any]]:
        """The rows of a window at a tick; totals_only: over all channels and segments."""
        return rolling_at(self._client, self._topic, window, tick_ms, totals_only)

    def rest(self) -> None:
        """Somebody else leads: what this worker shows would grow old."""
        self._gauges.clear()
        self._completed = None
        metrics.COMPLETE_TICK.clear()

    def _due(self, now_ms: int) -> list[tuple[Window, int]]:
        """The live windows to write now: of the long ones one at a time, so that the short ones never wait for all."""
        due = [window for window in self._windows if now_ms - self._written_at.get(window.name, 0) >= window.refresh_ms]
        long = [window for window in due if window.length_ms > LONG_MS]
        waiting = sorted(long, key=lambda window: self._written_at.get(window.name, 0))[1:]
        return [(window, window.live_tick(now_ms)) for window in due if window not in waiting]

    def _newly_complete(self) -> list[tuple[Window, int]]:
        rows = lanes(self._client, self._topic)
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


async def roll_forever(roll: Roll, leads: Callable[[], bool], now_ms: Callable[[], int]) -> None:
    """A step every second while this worker leads."""
    executor = ThreadPoolExecutor(1, "roll")
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        if leads():
            try:
                await loop.run_in_executor(executor, roll.step, now_ms())
                metrics.ROLL_SECONDS.observe(loop.time() - started)
            except ClickHouseError as error:
                metrics.ROLL_FAILURES.inc()
                log.warning("rolling windows not written, trying again", error=first_line(error))
        else:
            roll.rest()
        await asyncio.sleep(max(0.0, _LOOK_SECONDS - (loop.time() - started)))
