"""One answer for all viewers: the board of a selection, read again at most once a second, whoever asks.

While ClickHouse is away, slow or refuses, the last board stays and its health says so.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.journey import Journey
from schemas.metrics import Catalogue
from sinks.clickhouse import live
from sinks.clickhouse.client import connect
from sinks.clickhouse.errors import Kind, first_line, kind, remedy
from sinks.clickhouse.queries import lanes
from sinks.clickhouse.rolling import ALL
from sinks.console.board import (
    CHANNELS_MAX,
    NAMES_MAX,
    STAGES_MAX,
    TREND_TICKS,
    Alert,
    Board,
    Readings,
    board,
    declared_stages,
    journey_of,
    shown_stages,
)
from sinks.console.health import Health, clickhouse_away, health
from sinks.console.selection import Selection

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 4.0
"""A viewer waits no longer for ClickHouse before the page says that it doesn't answer."""
SELECTIONS_MAX: Final = 256
"""Boards that are remembered, some 300 kB each at most; the one that nobody asked for longest goes first."""
_QUERIES_AT_ONCE: Final = 4
_SILENT: Final = "it does not answer; trying again"

CurrentAlerts = Callable[[Client], Sequence[Alert]]


@dataclass(frozen=True)
class View:
    """What a viewer gets: the board as HTML, the same object as long as nothing newer was written, and its health."""

    board: str
    health: Health


class Reader:
    """Reads boards from ClickHouse; blocking, for several threads."""

    def __init__(
        self,
        clickhouse_url: str,
        topic: str,
        journeys: Sequence[Journey],
        catalogue: Catalogue,
        draw: Callable[[Board], str],
        current_alerts: CurrentAlerts | None = None,
    ) -> None:
        self._url, self._topic, self._journeys, self._catalogue = clickhouse_url, topic, journeys, catalogue
        self._draw, self._current_alerts = draw, current_alerts
        self._client: Client | None = None

    def board(self, selection: Selection, readings: Readings) -> str:
        """The board, drawn."""
        return self._draw(board(self._journeys, self._catalogue, selection, readings))

    def view(self, selection: Selection, before: tuple[Readings, str] | None) -> tuple[Readings, View]:
        """The view as of now; the board before it where nothing newer was written. Raises ClickHouseError."""
        client = self._connected()
        newest = live.newest(client, self._topic, selection.rolling)
        state = health(selection.rolling, newest, lanes(client, self._topic))
        alerts = tuple(self._current_alerts(client)) if self._current_alerts else ()
        if before and _same(before[0], newest, alerts):
            return before[0], View(before[1], state)
        readings = replace(self._read(client, selection, newest), alerts=alerts)
        return readings, View(self.board(selection, readings), state)

    def _connected(self) -> Client:
        # Two threads may connect at once; either client will do.
        if self._client is None:
            self._client = connect(self._url)
        return self._client

    def _read(self, client: Client, selection: Selection, newest: live.Newest) -> Readings:
        journey = journey_of(self._journeys, selection)
        declared = declared_stages(self._journeys, journey)
        tick = live.Tick(self._topic, selection.rolling, newest.tick_ms, journey)
        stages = live.stages(client, tick, selection.channel, selection.segment, list(declared), STAGES_MAX)
        shown = shown_stages(declared, {row["stage"]: row for row in stages.rows if row["stage"] != ALL})
        opened = selection.opened if selection.opened in shown else None
        return Readings(
            newest=newest,
            stages=stages,
            channels=live.channels(client, tick, opened, selection.segment, CHANNELS_MAX) if opened else live.NO_GROUPS,
            trend=live.trend(client, tick, shown, selection.channel, selection.segment, TREND_TICKS),
            names=live.names(client, tick, NAMES_MAX),
        )


def _same(before: Readings, newest: live.Newest, alerts: tuple[Alert, ...]) -> bool:
    read = before.newest
    return (read.tick_ms, read.written_at_ms, before.alerts) == (newest.tick_ms, newest.written_at_ms, alerts)


class Feed:
    """The newest view of each selection that somebody looks at."""

    def __init__(self, reader: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._clock = reader, clock
        self._selections: OrderedDict[Selection, _Watched] = OrderedDict()
        self._threads = ThreadPoolExecutor(_QUERIES_AT_ONCE, "page")

    async def view(self, selection: Selection) -> View:
        """The view as of at most a second ago. Raises nothing of ClickHouse: its absence is a state of the view."""
        watched = self._watched(selection)
        if watched.reading is None and self._clock() - watched.read_at >= FRESH_SECONDS:
            watched.reading = asyncio.create_task(self._read(selection, watched))
        if watched.reading is not None:
            answered, _ = await asyncio.wait({watched.reading}, timeout=PATIENCE_SECONDS)
            if not answered:
                watched.view = replace(watched.view, health=clickhouse_away(_SILENT))
        return watched.view

    def _watched(self, selection: Selection) -> "_Watched":
        watched = self._selections.get(selection)
        if watched is None:
            nothing = self._reader.board(selection, Readings(live.Newest(0, 0, 0)))
            watched = self._selections[selection] = _Watched(View(nothing, clickhouse_away(_SILENT)))
            if len(self._selections) > SELECTIONS_MAX:
                self._selections.popitem(last=False)
        self._selections.move_to_end(selection)
        return watched

    async def _read(self, selection: Selection, watched: "_Watched") -> None:
        before = None if watched.readings is None else (watched.readings, watched.view.board)
        try:
            watched.readings, watched.view = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._reader.view, selection, before
            )
        except Exception as error:  # whatever it is, viewers keep what they have and are told
            if watched.trouble != _words(error):
                watched.trouble = _words(error)
                log.warning("the page's numbers can't be read, trying again", error=watched.trouble)
            watched.view = replace(watched.view, health=clickhouse_away(_reason(error)))
        else:
            watched.trouble = None
        finally:
            watched.read_at = self._clock()
            watched.reading = None


@dataclass
class _Watched:
    """A selection that somebody looks at; `reading` while it is being read."""

    view: View
    readings: Readings | None = None
    read_at: float = float("-inf")
    reading: "asyncio.Task[None] | None" = None
    trouble: str | None = None
    """What went wrong, as the log has it: once, not every second."""


def _reason(error: Exception) -> str:
    """What a viewer is told; the log has the rest."""
    if not isinstance(error, ClickHouseError):
        return "its answer can't be used; the log of this page says more"
    return remedy(error) if kind(error) is Kind.SETUP else _SILENT


def _words(error: Exception) -> str:
    return first_line(error) if isinstance(error, ClickHouseError) else repr(error)
