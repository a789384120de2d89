"""Rolling windows: how long each is, where its ticks are, and how often it is written."""

from dataclasses import dataclass
from typing import Final

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Window:
    """A rolling window: its length, the distance of its ticks, and how often the live one is written (milliseconds).

    Ticks are whole steps since 1970, of ten seconds at least, so that panes cover each window without a rest.

    counted_max: unique customers are counted where at most so many touches fall into it. They don't add up over panes:
    counting them reads every raw event, a microsecond each.
    """

    name: str
    length_ms: int
    step_ms: int
    refresh_ms: int
    counted_max: int = 0

    @property
    def watched(self) -> bool:
        """Written so often that people look at it change."""
        return self.refresh_ms < _SECOND

    def live_tick(self, now_ms: int) -> int:
        """The end of the window that is being filled: the next tick."""
        return (now_ms // self.step_ms + 1) * self.step_ms

    def last_tick(self, watermark_ms: int) -> int:
        """The newest tick that the watermark has passed."""
        return watermark_ms // self.step_ms * self.step_ms


WINDOWS: Final = (
    Window("1m", _MINUTE, 10 * _SECOND, _SECOND // 2, 2_000_000),
    Window("5m", 5 * _MINUTE, 10 * _SECOND, _SECOND // 2, 2_000_000),
    Window("15m", 15 * _MINUTE, 30 * _SECOND, 5 * _SECOND, 10_000_000),
    Window("1h", _HOUR, _MINUTE, 10 * _SECOND, 10_000_000),
    Window("24h", _DAY, 10 * _MINUTE, 30 * _SECOND),
    Window("7d", 7 * _DAY, _HOUR, _MINUTE),
    Window("28d", 28 * _DAY, _HOUR, _MINUTE),
)
"""The longer a window, the less it moves in a second and the more expensive it is: `refresh_ms` grows with it."""


BY_NAME: Final = {window.name: window for window in WINDOWS}
