"""Journeys in rolling windows, written seldom: computing visits from touches costs more than adding panes up.

One window at a time, the most overdue first; and the longer it took, the longer the next one waits, so that journeys
never take more than a small part of ClickHouse. They have a thread of their own: live windows don't wait for them.
"""

import time
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.windows import WINDOWS, Window
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.rolling.store import journeys_written, write_journeys
from touchstream.streams.process import metrics
from touchstream.streams.rolling.roll import BEHIND_SECONDS_MAX, behind_seconds
from touchstream.streams.worker.leader import Duty

REFRESH_SECONDS: Final = 10.0
"""Least interval between two writes, in seconds; windows of a day or more hardly move in it."""
SHARE_MAX: Final = 0.1
"""Largest fraction of wall-clock time spent writing journey windows."""
NEW_LEADER_SECONDS: Final = 60.0
"""Rest of a new leader in seconds after its predecessor's last rows, because it doesn't know that one's rest."""
BEHIND_REST_SECONDS: Final = 60.0
"""Rest in seconds before each window, and before a new worker's first, while lanes lag by more than BEHIND_SECONDS_MAX:
they catch up first."""
_LOOK_SECONDS: Final = 1.0


class JourneyRoll:
    """Decides which window is due, and writes it. Blocking; made for one thread."""

    def __init__(self, client: Client, topic: str, windows: tuple[Window, ...] = WINDOWS) -> None:
        self._client, self._topic, self._windows = client, topic, windows
        self._written_at_ms: dict[str, int] | None = None  # not known before the first look
        self._rest_until = 0.0
        self._spare_until = time.monotonic() + BEHIND_REST_SECONDS

    def step(self, now_ms: int) -> Window | None:
        """Write the window that is most overdue, if one is due; which one it was."""
        if self._written_at_ms is None:
            self._go_on_from(journeys_written(self._client, self._topic), now_ms)
        if time.monotonic() < self._rest_until:
            return None
        overdue = {window: now_ms - self._due_ms(window) for window in self._windows}
        window = max(overdue, key=lambda one: overdue[one])
        if overdue[window] < 0:
            return None
        rows = lanes(self._client, self._topic)
        if not any(row.next_offset for row in rows):
            return None
        started = time.monotonic()
        if started < self._spare_until and behind_seconds(rows, now_ms) > BEHIND_SECONDS_MAX:
            return None
        watermark_ms = min(row.watermark_ms for row in rows)
        try:
            write_journeys(self._client, self._topic, window, window.live_tick(now_ms), watermark_ms)
        finally:  # one that was given up after a minute has cost as much
            ended = time.monotonic()
            taken = ended - started
            self._rest_until = ended + taken * (1 / SHARE_MAX - 1)
            self._spare_until = ended + BEHIND_REST_SECONDS
        self._written_at_ms = (self._written_at_ms or {}) | {window.name: now_ms}
        metrics.ROLL_JOURNEYS_SECONDS.observe(taken)
        return window

    def rest(self) -> None:
        """Another worker leads, and writes."""
        self._written_at_ms = None

    def _due_ms(self, window: Window) -> int:
        wait_ms = max(int(REFRESH_SECONDS * 1000), window.refresh_ms)
        return (self._written_at_ms or {}).get(window.name, 0) + wait_ms

    def _go_on_from(self, written_at_ms: dict[str, int], now_ms: int) -> None:
        """Where the leader before ended: leaders that follow each other quickly write no more than one that stays."""
        self._written_at_ms = written_at_ms
        since_ms = now_ms - max(written_at_ms.values(), default=0)
        self._rest_until = time.monotonic() + max(0.0, NEW_LEADER_SECONDS - since_ms / 1000)


def journeys_duty(roll: JourneyRoll) -> Duty:
    """Look every second whether a window is due."""
    return Duty(
        "journeys",
        lambda: roll.step(times.now_ms()),
        lambda _: _LOOK_SECONDS,
        "journeys not written",
        roll.rest,
        metrics.ROLL_FAILURES,
    )
