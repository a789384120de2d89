"""Measures design effects, a window at a time: daily, and more often while history is short (docs/decisions/0025)."""

from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.windows import WINDOWS, Window
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.rolling.effects import Measured, effects_measured, measure_effects
from touchstream.streams.process import metrics
from touchstream.streams.worker.leader import Duty

EVERY_MS: Final = 86_400_000
SOON_MS: Final = 600_000
"""Least time between two measurements of a window while its history is short."""
SHARE_MAX: Final = 0.02
"""Largest fraction of wall-clock time spent on measuring."""
LOOK_SECONDS: Final = 30.0


class DesignEffects:
    """Decides which window is measured, and measures it. Blocking; made for one thread."""

    def __init__(self, client: Client, topic: str, windows: tuple[Window, ...] = WINDOWS) -> None:
        self._client, self._topic, self._windows = client, topic, windows
        self._tried_ms: dict[str, int] = {}

    def step(self, now_ms: int) -> Window | None:
        """Measure the window that is most overdue, if one is; which one it was."""
        if not any(row.next_offset for row in lanes(self._client, self._topic)):
            return None
        measured = effects_measured(self._client, self._topic)
        due = {window: self._due_ms(measured.get(window.name), window) for window in self._windows}
        window = min(due, key=lambda one: due[one])
        if due[window] > now_ms:
            return None
        self._tried_ms[window.name] = now_ms
        measure_effects(self._client, self._topic, window, now_ms)
        return window

    def rest(self) -> None:
        """Another worker leads, and measures."""
        self._tried_ms.clear()

    def _due_ms(self, last: Measured | None, window: Window) -> int:
        """A day after the last time; while there is less history than a week, when it has grown by half."""
        due = 0 if last is None else last.measured_ms + min(EVERY_MS, max(SOON_MS, last.history_ms // 2))
        tried = self._tried_ms.get(window.name)
        return due if tried is None else max(due, tried + SOON_MS)


def effects_duty(effects: DesignEffects) -> Duty:
    """Look twice a minute whether a window is due; less often where measuring takes long."""
    return Duty(
        "design-effects",
        lambda: effects.step(times.now_ms()),
        lambda took: max(LOOK_SECONDS, took * (1 / SHARE_MAX - 1)),
        "design effects not measured",
        effects.rest,
        metrics.ROLL_FAILURES,
    )
