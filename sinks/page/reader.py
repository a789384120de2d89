"""Boards as ClickHouse has them. Each is drawn here, in the thread that reads it: once for all its viewers."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from clickhouse_connect.driver.client import Client
from urllib3 import Timeout

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.alerts.rounds import Round, newest_round
from touchstream.sinks.clickhouse.database import Database
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.store import journeys_now
from touchstream.sinks.page import metrics
from touchstream.sinks.page.board import (
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
from touchstream.sinks.page.figures import shown
from touchstream.sinks.page.health import Absent, Health, Judged, health, is_late
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.sink import LaneRow

_TIMEOUT: Final = Timeout(connect=2, read=5)
"""Seconds. The queries take milliseconds: a server that is silent for longer hangs, and the page must end."""

_EVERYWHERE_SECONDS: Final = 1.0
"""Lanes and alerts, which are the same for all viewers."""
_OF_JOURNEY_SECONDS: Final = 5.0
"""The names of a window that is written more often than that; longer windows are read as they are written."""
_SILENT_SECONDS: Final = 30.0
"""Interval for reading when silent stages were last touched, in seconds: a query over all hours."""
_KEPT_MAX: Final = 256
_ASIDE_MAX: Final = 4
"""Queries at once beside those that wait for each other: each takes longer to plan than to run."""

Value = TypeVar("Value")

CurrentAlerts = Callable[[Client], Sequence[Alert]]
"""Reads the alerts that are firing."""


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
        self._database = Database(clickhouse_url, _TIMEOUT)
        self._topic, self._journeys, self._catalogue = topic, journeys, catalogue
        self._shown = shown(catalogue).rolling
        self._draw, self._current_alerts = draw, current_alerts
        self._client = _Kept[Client](_EVERYWHERE_SECONDS)
        self._everywhere = _Kept[_Everywhere](_EVERYWHERE_SECONDS)
        self._of_journeys = _Kept[_OfJourney](_OF_JOURNEY_SECONDS)
        self._last_event = _Kept[int | None](_OF_JOURNEY_SECONDS)
        self._last_touched = _Kept[Mapping[str, int]](_SILENT_SECONDS)
        self._waiting_since: float | None = None
        self._aside = ThreadPoolExecutor(_ASIDE_MAX, "aside")
        metrics.KEPT.set_function(lambda: len(self._of_journeys))

    def board(self, selection: Selection, readings: Readings) -> str:
        """The board, drawn."""
        return self._draw(board(self._journeys, self._catalogue, selection, readings))

    def view(self, selection: Selection, before: tuple[Readings, str] | None) -> tuple[Readings, View]:
        """The view as of now; the board before it where nothing newer was written. Raises ClickHouseError."""
        client = self._client.get("", self._database.client)
        everywhere = self._aside.submit(self._everywhere.get, "", lambda: self._read_everywhere(client))
        newest = live.newest(client, self._topic, selection.rolling)
        here = everywhere.result()
        alerts = here.alerts
        judged = Judged(here.round, len(alerts))
        state = health(selection.rolling, newest, here.lanes, judged, self._absent(client, selection.rolling, newest))
        if before and _same(before[0], newest, alerts):
            return before[0], View(before[1], state)
        with metrics.READ_SECONDS.time():
            readings = replace(self._read(client, selection, newest), alerts=alerts)
            return readings, View(self.board(selection, readings), state)

    def _absent(self, client: Client, window: Window, newest: live.Newest) -> Absent:
        """Why there are no rows of now, where that is so."""
        if newest.tick_ms:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        if newest.tick_ms and not is_late(window, newest):
            return Absent()
        since = self._waiting_since
        return Absent(
            self._last_event.get("", lambda: live.last_event_ms(client)),
            0 if since is None else int(1_000 * (time.monotonic() - since)),
        )

    def _read_everywhere(self, client: Client) -> "_Everywhere":
        alerts = tuple(self._current_alerts(client)) if self._current_alerts else ()
        return _Everywhere(lanes(client, self._topic), alerts, newest_round(client, self._topic))

    def _read(self, client: Client, selection: Selection, newest: live.Newest) -> Readings:
        journey = journey_of(self._journeys, selection)
        declared = declared_stages(self._journeys, journey)
        tick = live.Tick(self._topic, selection.rolling, newest.tick_ms, journey)
        seldom = selection.rolling.refresh_ms >= _OF_JOURNEY_SECONDS * 1_000
        key = selection.rolling.name, journey, newest.written_at_ms if seldom else 0
        of_journey = self._aside.submit(self._of_journeys.get, key, lambda: self._read_of_journey(client, tick))
        channels = self._aside.submit(_channels, client, tick, selection)
        stages = live.stages(client, tick, selection.channel, selection.segment, list(declared), STAGES_MAX)
        heard = {row["stage"]: row for row in stages.rows if row["stage"] is not None}
        drawn = shown_stages(declared, heard)
        silent = tuple(stage for stage in drawn if stage not in heard)
        trend = live.trend(client, tick, drawn, selection.channel, selection.segment, TREND_TICKS, self._shown)
        unfiltered = (selection.channel, selection.segment) == (None, None)
        return Readings(
            newest=newest,
            stages=stages,
            channels=channels.result() if selection.opened in drawn else live.NO_GROUPS,
            trend=trend,
            names=of_journey.result().names,
            journeys=of_journey.result().stages if unfiltered else {},
            last_touched_ms=self._read_last_touched(client, journey, silent) if silent and unfiltered else {},
        )

    def _read_last_touched(self, client: Client, journey: str, stages: tuple[str, ...]) -> Mapping[str, int]:
        return self._last_touched.get((journey, stages), lambda: live.last_touched_ms(client, journey, stages))

    def _read_of_journey(self, client: Client, tick: live.Tick) -> "_OfJourney":
        rows = journeys_now(client, self._topic, tick.window.name)
        stages = {row["stage"]: row for row in rows if row["journey"] == tick.journey}
        return _OfJourney(live.names(client, tick, NAMES_MAX), stages)


@dataclass(frozen=True)
class _Everywhere:
    """What is the same for all viewers: lanes, alerts that are firing, and how far alerts have been judged."""

    lanes: Sequence[LaneRow]
    alerts: tuple[Alert, ...]
    round: Round | None


@dataclass(frozen=True)
class _OfJourney:
    """What changes slowly of a journey in a window: names to choose from, and what became of its visits, by stage."""

    names: Mapping[str, live.Names]
    stages: Mapping[str, Mapping[str, Any]]


class _Kept(Generic[Value]):
    """Values that are good for some seconds. Two threads may read one at once; either will do."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._values: dict[Hashable, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """The value of a key, read again where it is too old."""
        now = time.monotonic()
        kept = self._values.get(key)
        if kept is not None and now - kept[0] < self._seconds:
            return kept[1]
        value = read()
        if len(self._values) >= _KEPT_MAX:
            self._values.clear()
        self._values[key] = now, value
        return value


def _channels(client: Client, tick: live.Tick, selection: Selection) -> live.Groups:
    if selection.opened is None:
        return live.NO_GROUPS
    return live.channels(client, tick, selection.opened, selection.segment, CHANNELS_MAX)


def _same(before: Readings, newest: live.Newest, alerts: tuple[Alert, ...]) -> bool:
    read = before.newest
    return (read.tick_ms, read.written_at_ms, before.alerts) == (newest.tick_ms, newest.written_at_ms, alerts)
