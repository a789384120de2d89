"""Boards as ClickHouse has them. Each is drawn here, in the thread that reads it: once for all its viewers."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
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
from touchstream.sinks.page.feed import View
from touchstream.sinks.page.figures import shown
from touchstream.sinks.page.rows import instant_text, told
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.surroundings import SELDOM_SECONDS, Kept, Surroundings

_SILENT_SECONDS: Final = 30.0
"""Interval for reading when silent stages were last touched, in seconds: a query over all hours."""
_ASIDE_MAX: Final = 4
"""Queries at once beside those that wait for each other: each takes longer to plan than to run."""
_NOTHING: Final = Readings(live.Newest(0, 0, 0))


class Reader:
    """Reads boards from ClickHouse; blocking, for several threads."""

    def __init__(
        self,
        surroundings: Surroundings,
        journeys: Sequence[Journey],
        catalogue: Catalogue,
        draw: Callable[[Board], str],
    ) -> None:
        self._surroundings, self._topic = surroundings, surroundings.topic
        self._journeys, self._catalogue = journeys, catalogue
        self._draw = draw
        self._of_journeys = Kept[_OfJourney](SELDOM_SECONDS)
        self._last_touched = Kept[Mapping[str, int]](_SILENT_SECONDS)
        self._aside = ThreadPoolExecutor(_ASIDE_MAX, "aside")
        metrics.KEPT.set_function(lambda: len(self._of_journeys))

    def nothing(self, selection: Selection) -> str:
        """The board before anything was read, drawn."""
        return self._drawn(selection, _NOTHING)

    def view(self, selection: Selection, before: tuple[Readings, str] | None) -> tuple[Readings, View]:
        """The view as of now; the board before it where nothing newer was written. Raises ClickHouseError."""
        client = self._surroundings.client()
        everywhere = self._aside.submit(self._surroundings.read)
        newest = live.newest(client, self._topic, selection.rolling)
        here = everywhere.result()
        state = self._surroundings.health(selection.rolling, newest, here)
        if before and _same(before[0], newest, here.alerts):
            return before[0], View(before[1], state)
        with metrics.READ_SECONDS.time():
            readings = replace(self._read(client, selection, newest), alerts=here.alerts)
            return readings, View(self._drawn(selection, readings), state)

    def rows(self, selection: Selection) -> list[Mapping[str, Any]]:
        """The live rows of the stages that are shown, and of the whole journey. Raises ClickHouseError."""
        client = self._surroundings.client()
        readings = self._read(client, selection, live.newest(client, self._topic, selection.rolling))
        place = {"window": selection.window, "tick": instant_text(readings.newest.tick_ms)}
        journey = {"journey": journey_of(self._journeys, selection.journey)}
        return [place | journey | told(row) for row in readings.stages.rows]

    def _drawn(self, selection: Selection, readings: Readings) -> str:
        return self._draw(board(self._journeys, self._catalogue, selection, readings))

    def _read(self, client: Client, selection: Selection, newest: live.Newest) -> Readings:
        journey = journey_of(self._journeys, selection.journey)
        declared = declared_stages(self._journeys, journey)
        tick = live.LiveTick(self._topic, selection.rolling, newest.tick_ms, journey)
        seldom = selection.rolling.refresh_ms >= SELDOM_SECONDS * 1_000
        key = selection.rolling.name, journey, newest.written_at_ms if seldom else 0
        of_journey = self._aside.submit(self._of_journeys.get, key, lambda: self._read_of_journey(client, tick))
        channels = self._aside.submit(_channels, client, tick, selection)
        stages = live.stages(client, tick, selection.channel, selection.segment, list(declared), STAGES_MAX)
        heard = {row["stage"]: row for row in stages.rows if row["stage"] is not None}
        drawn = shown_stages(declared, heard)
        silent = tuple(stage for stage in drawn if stage not in heard)
        metrics_shown = shown(self._catalogue).rolling
        trend = live.trend(client, tick, drawn, selection.channel, selection.segment, TREND_TICKS, metrics_shown)
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

    def _read_of_journey(self, client: Client, tick: live.LiveTick) -> "_OfJourney":
        rows = journeys_now(client, self._topic, tick.window.name)
        stages = {row["stage"]: row for row in rows if row["journey"] == tick.journey}
        return _OfJourney(live.names(client, tick, NAMES_MAX), stages)


@dataclass(frozen=True)
class _OfJourney:
    """What changes slowly of a journey in a window: names to choose from, and what became of its visits, by stage."""

    names: Mapping[str, live.Names]
    stages: Mapping[str, Mapping[str, Any]]


def _channels(client: Client, tick: live.LiveTick, selection: Selection) -> live.Groups:
    if selection.opened is None:
        return live.NO_GROUPS
    return live.channels(client, tick, selection.opened, selection.segment, CHANNELS_MAX)


def _same(before: Readings, newest: live.Newest, alerts: tuple[Alert, ...]) -> bool:
    read = before.newest
    return (read.tick_ms, read.written_at_ms, before.alerts) == (newest.tick_ms, newest.written_at_ms, alerts)
