"""How far the numbers on the page can be trusted to be of now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sinks.clickhouse.live import Newest
from sinks.clickhouse.rolling import Window
from sinks.console.figures import duration
from sinks.sink import LaneRow

LANE_SILENT_MS: Final = 20_000
"""A heartbeat makes a worker write each of its lanes every five seconds, and a dead worker's lanes move in six."""
ROWS_LATE_MS: Final = 10_000
"""Beyond the time in which a window is written again."""


class State(StrEnum):
    """What the page says of its numbers."""

    LIVE = "live"
    WAITING = "waiting"
    STALE = "stale"
    WORKERS_AWAY = "workers-away"
    CLICKHOUSE_AWAY = "clickhouse-away"


@dataclass(frozen=True)
class Health:
    """A state, its name for people, and what it means for them."""

    state: State
    title: str
    detail: str


def health(window: Window, newest: Newest, lanes: Sequence[LaneRow]) -> Health:
    """The state of a window's numbers, from when its rows and the lanes behind them were written."""
    silent = [lane for lane in lanes if newest.now_ms - lane.written_at_ms > LANE_SILENT_MS]
    if not lanes:
        return Health(State.WAITING, "No events yet", "no worker has measured anything: start one, and publish events")
    if len(silent) == len(lanes):
        age = duration(newest.now_ms - max(lane.written_at_ms for lane in lanes))
        return Health(
            State.WORKERS_AWAY, "Workers away", f"nothing was written for {age}: is one running, does Kafka answer?"
        )
    if newest.tick_ms == 0:
        return Health(
            State.WAITING, "No numbers yet", f"the first numbers of the window {window.name} are on their way"
        )
    rows_age_ms = newest.now_ms - newest.written_at_ms
    if rows_age_ms > window.refresh_ms + ROWS_LATE_MS:
        detail = f"the workers measure, but these numbers were last written {duration(rows_age_ms)} ago"
        return Health(State.STALE, "Stale", detail)
    behind = [lane for lane in lanes if newest.now_ms - lane.lane_clock_ms > LANE_SILENT_MS]
    if behind:
        age = duration(newest.now_ms - min(lane.lane_clock_ms for lane in behind))
        return Health(State.STALE, "Stale", f"{len(behind)} of {len(lanes)} lanes are up to {age} behind their events")
    return Health(State.LIVE, "Live", f"written {_ago(rows_age_ms)}, again every {window.refresh_ms / 1_000:g} s")


def clickhouse_away(reason: str) -> Health:
    """The state while ClickHouse doesn't answer."""
    return Health(State.CLICKHOUSE_AWAY, "ClickHouse away", reason)


def _ago(milliseconds: int) -> str:
    return "just now" if milliseconds < 1_000 else f"{milliseconds // 1_000} s ago"
