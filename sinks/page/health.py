"""Whether the numbers on the page are current. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.alerts.rounds import Round
from touchstream.sinks.clickhouse.rolling.live import Newest
from touchstream.sinks.page.figures import duration, instant

LANE_SILENT_MS: Final = 20_000
"""A heartbeat makes a worker write each of its lanes every five seconds, and a dead worker's lanes move in six."""
FIRST_ROWS_MS: Final = 30_000
"""A new stack shows its first windows at once; the longest is written every minute, but begins like the others."""
HEARD_MS: Final = (7 * 24 + 1) * 3_600_000
"""Groups that were touched within a week before a window have rows that say that they are silent."""
ROWS_LATE_MS: Final = 10_000
"""Beyond the time in which a window is written again."""


class State(StrEnum):
    """The state of the page's numbers."""

    LIVE = "live"
    WAITING = "waiting"
    STALE = "stale"
    UNJUDGED = "unjudged"
    WORKERS_AWAY = "workers-away"
    CLICKHOUSE_AWAY = "clickhouse-away"


@dataclass(frozen=True)
class PageHealth:
    """A state, its name for people, what it means for them, and how far alerts have been judged."""

    state: State
    title: str
    detail: str
    alerts: str = ""


@dataclass(frozen=True)
class JudgedAlerts:
    """What is known of alerts: the newest round of `watch`, None where there never was one, and how many are firing."""

    round: Round | None
    firing: int


@dataclass(frozen=True)
class Absent:
    """What is known where a window has no rows that are of now.

    last_event_ms: the hour of the newest event of all, None without any. waited_ms: for how long the first rows have
    been waited for.
    """

    last_event_ms: int | None = None
    waited_ms: int = 0


def health(
    window: Window, newest: Newest, lanes: Sequence[WrittenLaneRow], judged: JudgedAlerts, absent: Absent = Absent()
) -> PageHealth:
    """The state of a window's numbers and of the alerts: when rows, lanes and judgements behind them were written."""
    numbers = _numbers(window, newest, lanes, absent)
    alerts = _alerts(judged)
    unjudged = _unjudged(judged.round, min((lane.watermark_ms for lane in lanes), default=0))
    if numbers.state is State.LIVE and unjudged:
        return PageHealth(State.UNJUDGED, "Alerts not judged", unjudged, alerts)
    if unjudged:
        return replace(numbers, detail=f"{numbers.detail}; {unjudged}", alerts=alerts)
    return replace(numbers, alerts=alerts)


def _alerts(judged: JudgedAlerts) -> str:
    """What is firing, as of when. Without a recent check nothing is reported as well."""
    if judged.round is not None and not judged.round.rules:
        return "alerts: there is no rule"
    if judged.round is None or not judged.round.judged_to_ms:
        return "alerts: nothing judged yet"
    firing = f"{judged.firing:,} firing" if judged.firing else "none firing"
    return f"alerts: {firing}, judged up to {instant(judged.round.judged_to_ms, judged.round.now_ms)}"


def _unjudged(round_: Round | None, watermark_ms: int) -> str:
    """Why alerts are not judged as of now; nothing where they are."""
    if round_ is None:
        return "no watch has ever judged this topic: start touchstream watch"
    if round_.is_silent:
        return f"watch was last heard of {duration(round_.silent_ms)} ago: alerts since then are not shown"
    if round_.rules and not round_.judged_to_ms:
        return "watch has judged no window yet"
    if late_ms := round_.late_ms(watermark_ms):
        return f"watch is {duration(late_ms)} behind the windows that are complete"
    return ""


def is_late(window: Window, newest: Newest) -> bool:
    """Whether a window's rows, if there are any, are older than they should be."""
    return newest.now_ms - newest.written_at_ms > window.refresh_ms + ROWS_LATE_MS


def _numbers(window: Window, newest: Newest, lanes: Sequence[WrittenLaneRow], absent: Absent) -> PageHealth:
    silent = [lane for lane in lanes if newest.now_ms - lane.written_at_ms > LANE_SILENT_MS]
    if not lanes:
        return PageHealth(
            State.WAITING, "No events yet", "no worker has measured anything: start one, and publish events"
        )
    if len(silent) == len(lanes):
        age = duration(newest.now_ms - max(lane.written_at_ms for lane in lanes))
        return PageHealth(
            State.WORKERS_AWAY, "Workers away", f"nothing was written for {age}: is one running, does Kafka answer?"
        )
    last_ms = absent.last_event_ms
    if last_ms is not None and newest.now_ms - last_ms > window.length_ms + HEARD_MS:
        detail = (
            f"the newest event is of the hour of {instant(last_ms, newest.now_ms)}: touchstream metrics has all times"
        )
        return PageHealth(State.WAITING, "No events lately", detail)
    if newest.tick_ms == 0 and absent.waited_ms > FIRST_ROWS_MS:
        waited = duration(absent.waited_ms)
        detail = (
            f"for {waited} no window was written: the worker that owns lane 0 writes them, and its log says why not"
        )
        return PageHealth(State.STALE, "No numbers", detail)
    if newest.tick_ms == 0:
        return PageHealth(
            State.WAITING, "No numbers yet", f"the first numbers of the window {window.name} are on their way"
        )
    rows_age_ms = newest.now_ms - newest.written_at_ms
    if is_late(window, newest):
        detail = f"the workers measure, but these numbers were last written {duration(rows_age_ms)} ago"
        return PageHealth(State.STALE, "Stale", detail)
    behind = [lane for lane in lanes if newest.now_ms - lane.lane_clock_ms > LANE_SILENT_MS]
    if behind:
        age = duration(newest.now_ms - min(lane.lane_clock_ms for lane in behind))
        return PageHealth(
            State.STALE, "Stale", f"{len(behind)} of {len(lanes)} lanes are up to {age} behind their events"
        )
    return PageHealth(State.LIVE, "Live", f"written {_ago(rows_age_ms)}, again every {window.refresh_ms / 1_000:g} s")


def clickhouse_away(reason: str) -> PageHealth:
    """The state while ClickHouse doesn't answer."""
    return PageHealth(State.CLICKHOUSE_AWAY, "ClickHouse away", reason)


def _ago(milliseconds: int) -> str:
    return "just now" if milliseconds < 1_000 else f"{milliseconds // 1_000} s ago"
