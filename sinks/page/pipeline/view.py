"""The data path as its page shows it: one line for each part, and what was refused. Pure: rows in, a view out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.alerts.rounds import Round
from touchstream.sinks.clickhouse.rolling.live import Newest
from touchstream.sinks.clickhouse.upkeep.dead_letters import RefusedReason
from touchstream.sinks.page.figures import duration
from touchstream.sinks.page.health import LANE_SILENT_MS, is_late

_WAITING_MS_MAX: Final = 5 * 60_000
"""Notifications that wait longer are late: a destination is away, or refuses."""
GOOD, LATE, AWAY, UNKNOWN = "good", "late", "away", "unknown"


@dataclass(frozen=True)
class Link:
    """A part of the data path. state: good, late, away, unknown; remedy: what to do about it, where it isn't good."""

    name: str
    state: str
    detail: str
    remedy: str = ""
    up_to_ms: int | None = None


@dataclass(frozen=True)
class PipelineRead:
    """What ClickHouse said. waiting: by destination, notifications not taken and since when; times in milliseconds."""

    now_ms: int
    lanes: Sequence[WrittenLaneRow]
    windows: Mapping[str, Newest]
    round: Round | None
    waiting: Sequence[tuple[str, int, int]]
    refused: Sequence[RefusedReason]


@dataclass(frozen=True)
class PipelineView:
    """The data path from events to notifications, and the dead letters of a day."""

    links: tuple[Link, ...]
    refused: tuple[RefusedReason, ...]
    now_ms: int

    @property
    def letters(self) -> int:
        """Dead letters of the day."""
        return sum(one.letters for one in self.refused)


def pipeline_view(read: PipelineRead) -> PipelineView:
    """Put together what the page shows."""
    links = (_lanes_read(read), _lanes_written(read), *_windows(read), _watch(read), *_notified(read))
    return PipelineView(links, tuple(read.refused), read.now_ms)


def _lanes_read(read: PipelineRead) -> Link:
    name = "Kafka → workers"
    if not read.lanes:
        return Link(name, UNKNOWN, "no worker has measured anything", "start a worker, and publish events")
    behind = [lane for lane in read.lanes if read.now_ms - lane.lane_clock_ms > LANE_SILENT_MS]
    watermark_ms = min(lane.watermark_ms for lane in read.lanes)
    if not behind:
        return Link(name, GOOD, f"{len(read.lanes)} lanes keep up with their events", up_to_ms=watermark_ms)
    worst = min(behind, key=lambda lane: lane.lane_clock_ms)
    lag = duration(read.now_ms - worst.lane_clock_ms)
    return Link(
        name,
        LATE,
        f"{len(behind)} of {len(read.lanes)} lanes are behind; partition {worst.partition} by {lag}",
        "look at the workers' logs and the load; add workers, up to the number of partitions",
        watermark_ms,
    )


def _lanes_written(read: PipelineRead) -> Link:
    name = "Workers → ClickHouse"
    if not read.lanes:
        return Link(name, UNKNOWN, "nothing was written so far")
    silent = [lane for lane in read.lanes if read.now_ms - lane.written_at_ms > LANE_SILENT_MS]
    oldest_ms = min(lane.written_at_ms for lane in read.lanes)
    if not silent:
        return Link(name, GOOD, f"every lane was written within {duration(max(0, read.now_ms - oldest_ms))}")
    names = ", ".join(str(lane.partition) for lane in silent[:10]) + (" …" if len(silent) > 10 else "")
    age = duration(read.now_ms - max(lane.written_at_ms for lane in silent))
    state, remedy = (AWAY, "is a worker running, does Kafka answer?") if len(silent) == len(read.lanes) else (LATE, "")
    return Link(
        name, state, f"partitions {names} were not written for {age} at least", remedy or "a worker may have hung"
    )


def _windows(read: PipelineRead) -> list[Link]:
    links = []
    for window in WINDOWS:
        newest, name = read.windows[window.name], f"Rolling window {window.name}"
        if not newest.tick_ms:
            links.append(Link(name, UNKNOWN, "no row so far"))
            continue
        written = f"written {duration(max(0, newest.now_ms - newest.written_at_ms))} ago"
        state = LATE if is_late(window, newest) else GOOD
        remedy = "the worker that owns lane 0 writes them: look at its log" if state == LATE else ""
        links.append(Link(name, state, f"{written}, every {duration(window.refresh_ms)}", remedy, newest.tick_ms))
    return links


def _watch(read: PipelineRead) -> Link:
    name, found = "Watch", read.round
    if found is None:
        return Link(name, UNKNOWN, "no watch has ever judged this topic", "start touchstream watch")
    up_to_ms = found.judged_to_ms or None
    if found.is_silent:
        detail = f"last heard of {duration(found.silent_ms)} ago: alerts since then are not known"
        return Link(name, AWAY, detail, "start touchstream watch; look at its log", up_to_ms)
    watermark_ms = min((lane.watermark_ms for lane in read.lanes), default=0)
    if late_ms := found.late_ms(watermark_ms):
        return Link(name, LATE, f"{duration(late_ms)} behind what is complete", "look at its log", up_to_ms)
    rules = f"{found.rules} rules are judged" if found.rules else "there is no rule"
    return Link(name, GOOD, rules, up_to_ms=up_to_ms)


def _notified(read: PipelineRead) -> list[Link]:
    if not read.waiting:
        return [Link("Notifications", GOOD, "every one was taken by its destinations")]
    return [
        Link(
            f"Notifications → {destination}",
            LATE if read.now_ms - oldest_ms > _WAITING_MS_MAX else GOOD,
            f"{waiting:,} wait, the oldest for {duration(max(0, read.now_ms - oldest_ms))}",
            "does the destination answer? the log of watch says what it said",
        )
        for destination, waiting, oldest_ms in read.waiting
    ]
