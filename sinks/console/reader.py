"""Boards as ClickHouse has them. Each is drawn here, in the thread that reads it: once for all its viewers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from schemas.journey import Journey
from schemas.metrics import Catalogue
from sinks.clickhouse import live
from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import lanes
from sinks.clickhouse.rolling import ALL, journeys_now
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
from sinks.console.health import Health, health
from sinks.console.selection import Selection

_TIMEOUT: Final = Timeout(connect=2, read=5)
"""Seconds. The queries take milliseconds: a server that is silent for longer hangs, and the page must end."""

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
            client = connect(self._url)
            if isinstance(client, HttpClient):
                client.timeout = _TIMEOUT
            self._client = client
        return self._client

    def _read(self, client: Client, selection: Selection, newest: live.Newest) -> Readings:
        journey = journey_of(self._journeys, selection)
        declared = declared_stages(self._journeys, journey)
        tick = live.Tick(self._topic, selection.rolling, newest.tick_ms, journey)
        stages = live.stages(client, tick, selection.channel, selection.segment, list(declared), STAGES_MAX)
        shown = shown_stages(declared, {row["stage"]: row for row in stages.rows if row["stage"] != ALL})
        channels = live.NO_GROUPS
        if selection.opened in shown:
            channels = live.channels(client, tick, selection.opened, selection.segment, CHANNELS_MAX)
        return Readings(
            newest=newest,
            stages=stages,
            channels=channels,
            trend=live.trend(client, tick, shown, selection.channel, selection.segment, TREND_TICKS),
            names=live.names(client, tick, NAMES_MAX),
            journeys=self._journeys_now(client, selection, journey),
        )

    def _journeys_now(self, client: Client, selection: Selection, journey: str) -> dict[str, Mapping[str, Any]]:
        if (selection.channel, selection.segment) != (ALL, ALL):
            return {}
        rows = journeys_now(client, self._topic, selection.rolling.name)
        return {row["stage"]: row for row in rows if row["journey"] == journey}


def _same(before: Readings, newest: live.Newest, alerts: tuple[Alert, ...]) -> bool:
    read = before.newest
    return (read.tick_ms, read.written_at_ms, before.alerts) == (newest.tick_ms, newest.written_at_ms, alerts)
