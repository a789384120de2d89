"""Stages as ClickHouse has them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_state import Group
from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.course.course import TimeSpan, course, parts, step_of
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.page.board import NAMES_MAX, journey_of
from touchstream.sinks.page.feed import View
from touchstream.sinks.page.rows import instant_text, told
from touchstream.sinks.page.selection import SelectionError
from touchstream.sinks.page.stage.selection import StageSelection
from touchstream.sinks.page.stage.view import StageReadings, StageView, metrics_of_course, stage_view
from touchstream.sinks.page.surroundings import SELDOM_SECONDS, Kept, Surroundings

_REFRESH_MS: Final = (2_000, 60_000)
"""Shortest and longest interval of readings: the longer the span, the less it moves."""
_READINGS: Final = 800
"""Readings while a span passes."""
_NAMES_OF: Final = BY_NAME["1h"]
_CHANGES_MAX: Final = 1_000
_NOTED_READ_MAX: Final = 1_000
_NOTED_MAX: Final = 50
"""Most annotations on a chart, the newest."""
_ASIDE_MAX: Final = 4


class StageReader:
    """Reads stages; blocking, for several threads."""

    def __init__(
        self,
        surroundings: Surroundings,
        journeys: Sequence[Journey],
        catalogue: Catalogue,
        draw: Callable[[StageView], str],
    ) -> None:
        self._surroundings, self._journeys, self._catalogue = surroundings, journeys, catalogue
        self._draw = draw
        self._names = Kept[Mapping[str, live.Names]](SELDOM_SECONDS)
        self._aside = ThreadPoolExecutor(_ASIDE_MAX, "stage")

    @property
    def _metrics(self) -> tuple[str, ...]:
        return metrics_of_course(self._catalogue)

    def checked(self, selection: StageSelection) -> StageSelection:
        """The selection with a metric; raises SelectionError for one that there isn't."""
        if selection.metric is None:
            return selection.with_metric(self._metrics[0])
        if selection.metric not in self._metrics:
            raise SelectionError(f"there is no course of that metric; take one of {', '.join(self._metrics)}")
        return selection

    def nothing(self, selection: StageSelection) -> str:
        """The board before anything was read."""
        at_ms = now_ms()
        return self._drawn(selection, StageReadings(at_ms, selection.span(at_ms), selection.metric or self._metrics[0]))

    def view(self, selection: StageSelection, before: tuple[StageReadings, str] | None) -> tuple[StageReadings, View]:
        """The view as of now. Raises ClickHouseError."""
        at_ms = now_ms()
        health = self._surroundings.health_now()
        span = selection.span(at_ms)
        shortest, longest = _REFRESH_MS
        if before and at_ms - before[0].at_ms < min(max(span.length_ms // _READINGS, shortest), longest):
            return before[0], View(before[1], health)
        readings = self._read(selection, span, at_ms)
        return readings, View(self._drawn(selection, readings), health)

    def rows(self, selection: StageSelection) -> list[Mapping[str, Any]]:
        """The steps of the course, with every metric. Raises ClickHouseError."""
        at_ms = now_ms()
        span = selection.span(at_ms)
        found = course(self._surroundings.client(), self._surroundings.topic, self._group(selection), span)
        return [
            {"from": instant_text(row["at_ms"]), "step_seconds": step_of(span) // 1_000} | told(row) for row in found
        ]

    def _drawn(self, selection: StageSelection, readings: StageReadings) -> str:
        return self._draw(stage_view(self._journeys, self._catalogue, selection, readings))

    def _read(self, selection: StageSelection, span: TimeSpan, at_ms: int) -> StageReadings:
        client, topic = self._surroundings.client(), self._surroundings.topic
        group = self._group(selection)
        journey = str(group.journey)
        before = selection.before(span)
        asked = self._aside.submit
        now_course = asked(course, client, topic, group, span)
        then_course = asked(course, client, topic, group, before)
        whole = asked(parts, client, topic, group, "", span, before)
        made_of = asked(parts, client, topic, group, selection.by, span, before)
        tables = AlertTables(client, topic, None)
        noted = AnnotationTable(client).between(topic, span.from_ms, span.to_ms, _NOTED_READ_MAX)
        firing = tables.alerts(states=["firing"], most=_CHANGES_MAX)
        return StageReadings(
            at_ms=at_ms,
            span=span,
            metric=selection.metric or self._metrics[0],
            complete_ms=self._surroundings.read().watermark_ms,
            names=self._names.get(journey, lambda: self._read_names(client, journey)),
            firing=firing,
            noted=[one for one in noted if one.concerns(group)][:_NOTED_MAX],
            alerts=[*tables.changes(span.from_ms, ["firing", "resolved"], most=_CHANGES_MAX), *firing],
            course=now_course.result(),
            course_before=then_course.result(),
            whole=whole.result(),
            parts=made_of.result(),
        )

    def _group(self, selection: StageSelection) -> Group:
        journey = journey_of(self._journeys, selection.journey)
        return Group(journey, selection.stage, selection.channel, selection.segment)

    def _read_names(self, client: Client, journey: str) -> Mapping[str, live.Names]:
        topic = self._surroundings.topic
        newest = live.newest(client, topic, _NAMES_OF)
        return live.names(client, live.LiveTick(topic, _NAMES_OF, newest.tick_ms, journey), NAMES_MAX)
