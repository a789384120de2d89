"""Alerts as ClickHouse has them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from starlette.requests import Request

from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import DIMENSIONS
from touchstream.schemas.incidents import AlertIncident
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.store import AlertTables, Past
from touchstream.sinks.clickhouse.course.course import TimeSpan, course, step_of
from touchstream.sinks.notify import notification
from touchstream.sinks.page.alerts.cause import incident_view, incident_with
from touchstream.sinks.page.alerts.view import (
    AlertAsked,
    AlertsView,
    AlertView,
    alerts_view,
    handled_words,
    line_of,
    stage_address,
)
from touchstream.sinks.page.feed import View
from touchstream.sinks.page.rows import instant_text
from touchstream.sinks.page.selection import require_names
from touchstream.sinks.page.stage.chart import Chart, chart, points
from touchstream.sinks.page.stage.view import metrics_of_course
from touchstream.sinks.page.surroundings import Surroundings

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_ENDED_MAX: Final = 1_000
_HISTORY_MAX: Final = 100
_FRESH_MS: Final = 5_000
"""Interval for drawing the chart of an alert anew."""

AlertsRead = tuple[Sequence[AlertRow], Sequence[AlertRow], Mapping[AlertRow, str]]
AlertRead = tuple[int, Sequence[AlertRow], Sequence[Past], str, AlertIncident | None]


class AlertsReader:
    """Reads the list of alerts; blocking, for several threads."""

    def __init__(self, surroundings: Surroundings, catalogue: Catalogue, draw: Callable[[AlertsView], str]) -> None:
        self._surroundings, self._catalogue, self._draw = surroundings, catalogue, draw

    def nothing(self, _: None) -> str:
        """The list before anything was read."""
        return self._draw(alerts_view((), (), {}, self._catalogue))

    def view(self, _: None, before: tuple[AlertsRead, str] | None) -> tuple[AlertsRead, View]:
        """The list as of now. Raises ClickHouseError."""
        health = self._surroundings.health_now()
        tables = AlertTables(self._surroundings.client(), self._surroundings.topic, None)
        at_ms = now_ms()
        ended = tables.changes(at_ms - _DAY_MS, ["resolved"], most=_ENDED_MAX)
        alerts = tables.alerts()
        actions = ActionTable(self._surroundings.client(), self._surroundings.topic).actions(at_ms)
        open_ = [one for one in alerts if one.state != "ok"]
        handled = {one: words for one in open_ if (words := handled_words(one, actions, at_ms))}
        read = alerts, [one for one in ended if one.since_ms == one.tick_ms], handled
        if before and before[0] == read:
            return read, View(before[1], health)
        board = self._draw(alerts_view(*read, self._catalogue))
        return read, View(board, health)

    def rows(self, _: None) -> list[dict[str, Any]]:
        """Every alert as it stands. Raises ClickHouseError."""
        tables = AlertTables(self._surroundings.client(), self._surroundings.topic, None)
        return [_row(alert) for alert in tables.alerts()]


class AlertReader:
    """Reads single alerts; blocking, for several threads."""

    def __init__(self, surroundings: Surroundings, catalogue: Catalogue, draw: Callable[[AlertView], str]) -> None:
        self._surroundings, self._catalogue, self._draw = surroundings, catalogue, draw
        self._of_course = frozenset(metrics_of_course(catalogue))

    def nothing(self, asked: AlertAsked) -> str:
        """The page before anything was read."""
        return self._draw(AlertView(asked, None, (), ""))

    def view(self, asked: AlertAsked, before: tuple[AlertRead, str] | None) -> tuple[AlertRead, View]:
        """One alert as of now. Raises ClickHouseError."""
        health = self._surroundings.health_now()
        tables = self._tables(asked)
        alerts = [one for one in tables.alerts(rules=[asked.rule]) if one.group == asked.group]
        past = tables.history(asked.rule, asked.group, _HISTORY_MAX)
        at_ms = now_ms()
        actions = ActionTable(self._surroundings.client(), self._surroundings.topic).actions(at_ms)
        handled = handled_words(alerts[0], actions, at_ms) if alerts else ""
        newest = alerts[0] if alerts else past[0].change if past else None
        incident = self._incident(newest, past) if newest else None
        read = alerts, past, handled, incident
        if before and before[0][1:] == read and at_ms - before[0][0] < _FRESH_MS:
            return before[0], View(before[1], health)
        view = self._view(asked, newest, past, handled, at_ms) if newest else AlertView(asked, None, (), "")
        shown = None if incident is None else incident_view(incident, self._catalogue)
        return (at_ms, *read), View(self._draw(replace(view, incident=shown)), health)

    def rows(self, asked: AlertAsked) -> list[dict[str, Any]]:
        """Every change of the alert, the newest first. Raises ClickHouseError."""
        tables = self._tables(asked)
        return [
            _row(past.change) | {"told": [one.destination for one in past.told], "waiting": list(past.waiting)}
            for past in tables.history(asked.rule, asked.group, _HISTORY_MAX)
        ]

    def _tables(self, asked: AlertAsked) -> AlertTables:
        return AlertTables(self._surroundings.client(), self._surroundings.topic, asked.namespace)

    def _incident(self, newest: AlertRow, past: Sequence[Past]) -> AlertIncident | None:
        """The one that the alert is in, or was in when it last fired."""
        began_ms = _began_ms(newest, past)
        # In whatever file of rules the incident was seen: it is told of by the one whose alerts are in it.
        incidents = AlertTables(self._surroundings.client(), self._surroundings.topic, newest.namespace).incidents(
            min(began_ms, newest.since_ms) - _DAY_MS
        )
        return incident_with(incidents, newest.rule, notification.place_of(newest.group), began_ms)

    def _view(self, asked: AlertAsked, newest: AlertRow, past: Sequence[Past], handled: str, at_ms: int) -> AlertView:
        name = newest.about.metric
        drawn, step_ms = self._chart(newest, past, at_ms) if name in self._of_course else (None, 60_000)
        return AlertView(
            asked=asked,
            line=line_of(newest, self._catalogue, handled),
            past=tuple(past),
            stage_address=stage_address(newest, name if name in self._of_course else None),
            chart=drawn,
            label=self._catalogue.title(name),
            step_minutes=step_ms // 60_000,
        )

    def _chart(self, alert: AlertRow, past: Sequence[Past], at_ms: int) -> tuple[Chart | None, int]:
        """The metric from an hour, or thrice its length, before the alert began until now, a week at most."""
        began_ms = _began_ms(alert, past)
        lasted_ms = min(max(at_ms - began_ms, 0), 6 * _DAY_MS)
        start_ms = began_ms - max(_HOUR_MS, min(3 * lasted_ms, _DAY_MS))
        span = TimeSpan(start_ms, max(start_ms + _HOUR_MS, min(at_ms, began_ms + lasted_ms + _HOUR_MS)))
        metric, step_ms = self._catalogue.metrics[alert.about.metric], step_of(span)
        rows = course(self._surroundings.client(), self._surroundings.topic, alert.group, span)
        shades = [TimeSpan(began_ms, at_ms if alert.state == "firing" else alert.since_ms)]
        complete_ms = self._surroundings.read().watermark_ms
        return chart(points(rows, metric, complete_ms, step_ms), (), metric, span, step_ms, shades), step_ms


def _row(alert: AlertRow) -> dict[str, Any]:
    """In the words of docs/tables.md."""
    place = {
        "namespace": alert.namespace,
        "rule": alert.rule,
        **asdict(alert.group),
        "state": alert.state,
        "verdict": alert.verdict,
    }
    times = {"since": instant_text(alert.since_ms), "tick": instant_text(alert.tick_ms)}
    baseline = {"baseline": alert.baseline.value if alert.baseline else None}
    return place | times | asdict(alert.about) | asdict(alert.reading) | baseline


def alert_asked(request: Request) -> AlertAsked:
    """Which alert an address names. Raises SelectionError."""
    query = request.query_params
    require_names(query, *DIMENSIONS, "namespace")
    group = Group(*(query.get(name) for name in DIMENSIONS))
    return AlertAsked(str(request.path_params["rule"])[:NAME_BYTES_MAX], group, query.get("namespace", ""))


def _began_ms(alert: AlertRow, past: Sequence[Past]) -> int:
    """When it began to fire, or did last."""
    if alert.state == "firing":
        return alert.since_ms
    return next((one.change.since_ms for one in past if one.change.state == "firing"), alert.since_ms)
