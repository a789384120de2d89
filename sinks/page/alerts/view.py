"""Alerts as their pages show them. Pure: rows in, views out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final
from urllib.parse import quote, urlencode

from touchstream.schemas.alert_actions import Actions
from touchstream.schemas.alert_notifying import SEVERITIES
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import DIMENSIONS
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.alerts.store import Past
from touchstream.sinks.notify.notification import Handled
from touchstream.sinks.page.alerts.cause import IncidentView
from touchstream.sinks.page.figures import NOTHING, number
from touchstream.sinks.page.stage.chart import Chart
from touchstream.sinks.page.stage.selection import spelled_time

ROWS_MAX: Final = 200
"""Most alerts in each part of the list."""
_HOUR_MS: Final = 3_600_000
_JUDGED: Final = frozenset({"clear", "breach", ""})


@dataclass(frozen=True)
class AlertLine:
    """An alert in a list; `address`: of its page, from the list's; value: in words, with interval and n."""

    alert: AlertRow
    address: str
    place: str
    value: str
    state: str
    handled: str


@dataclass(frozen=True)
class AlertPart:
    """Alerts in one state, those that began last first; left_out: how many more."""

    title: str
    lines: tuple[AlertLine, ...]
    left_out: int
    nothing: str = ""


@dataclass(frozen=True)
class AlertsView:
    """The list of alerts. clear: how many are judged and well."""

    parts: tuple[AlertPart, ...]
    clear: int


@dataclass(frozen=True)
class AlertAsked:
    """Which alert: a rule in a group."""

    rule: str
    group: Group
    namespace: str = ""


@dataclass(frozen=True)
class AlertView:
    """One alert: how it stands, what it was, and where its numbers are. alert None: there is none of this name."""

    asked: AlertAsked
    line: AlertLine | None
    past: tuple[Past, ...]
    stage_address: str
    chart: Chart | None = None
    label: str = ""
    step_minutes: int = 1
    incident: IncidentView | None = None


def alerts_view(
    alerts: Sequence[AlertRow],
    ended: Sequence[AlertRow],
    handled: Mapping[AlertRow, str],
    catalogue: Catalogue,
) -> AlertsView:
    """The list: firing first by severity, then pending, ended, and what isn't judged, with why."""
    firing = sorted(
        (one for one in alerts if one.state == "firing"), key=lambda one: (_severity(one), -one.since_ms, one.rule)
    )
    pending = [one for one in alerts if one.state == "pending"]
    calm = [one for one in alerts if one.state not in ("firing", "pending")]
    unjudged = [one for one in calm if one.verdict not in _JUDGED]
    ended_places = {_place(one) for one in ended}
    return AlertsView(
        parts=(
            _part("Firing", firing, handled, catalogue, "No alert is firing."),
            _part("Pending", pending, handled, catalogue),
            _part("Ended within 24 hours", ended, {}, catalogue),
            _part("Not judged", [one for one in unjudged if _place(one) not in ended_places], handled, catalogue),
        ),
        clear=len(calm) - len(unjudged),
    )


def line_of(alert: AlertRow, catalogue: Catalogue, handled: str = "") -> AlertLine:
    """An alert as a list shows it; handled: who acknowledged or silenced it."""
    return AlertLine(
        alert=alert,
        address=address_of(alert),
        place=place_of(alert.group),
        value=_value(alert, catalogue),
        state=state_of(alert),
        handled=handled,
    )


def handled_words(alert: AlertRow, actions: Actions, now_ms: int) -> str:
    """Who acknowledged or silenced an alert, in words; empty where it is left to itself."""
    found = {"acknowledged": actions.acknowledgement(alert), "silenced": actions.silence(alert, now_ms)}
    return "; ".join(f"{name} {Handled.by_action(one)}" for name, one in found.items() if one)


def state_of(alert: AlertRow) -> str:
    """How it stands in words: an end that isn't a recovery is called what it is, and what isn't judged why."""
    if alert.state == "resolved" and alert.verdict not in ("clear", ""):
        return alert.verdict.replace("_", " ")
    if alert.state == "ok" and alert.verdict not in _JUDGED:
        return alert.verdict.replace("_", " ")
    return alert.state


def place_of(group: Group) -> str:
    """The group in words, such as `support, channel chat`."""
    named = [
        name if dimension == "stage" else f"{dimension} {name or '(none)'}"
        for dimension, name in zip(DIMENSIONS, astuple(group), strict=True)
        if name is not None and dimension != "journey"
    ]
    return ", ".join(named) or f"journey {group.journey}"


def address_of(alert: AlertRow) -> str:
    """The address of an alert's page, below `alerts/`."""
    names = dict(alert.group.key) | ({"namespace": alert.namespace} if alert.namespace else {})
    return f"{quote(alert.rule, safe='')}?{urlencode(names)}"


def stage_address(alert: AlertRow, metric: str | None) -> str:
    """The address of the stage's page at the time of the alert, from the page's root."""
    group = alert.group
    place = "journey" if group.stage is None else f"stages/{quote(group.stage, safe='')}"
    names = {"metric": metric, "journey": group.journey, "channel": group.channel, "segment": group.segment}
    times = {
        "from": spelled_time(alert.since_ms - _HOUR_MS),
        "to": spelled_time(max(alert.tick_ms, alert.since_ms) + _HOUR_MS // 4),
    }
    return f"{place}?{urlencode({key: one for key, one in (names | times).items() if one is not None})}"


def _part(
    title: str,
    alerts: Iterable[AlertRow],
    handled: Mapping[AlertRow, str],
    catalogue: Catalogue,
    nothing: str = "",
) -> AlertPart:
    found = list(alerts)
    lines = tuple(line_of(one, catalogue, handled.get(one, "")) for one in found[:ROWS_MAX])
    return AlertPart(title, lines, max(0, len(found) - ROWS_MAX), nothing)


def _severity(alert: AlertRow) -> int:
    known = alert.about.severity in SEVERITIES
    return SEVERITIES.index(alert.about.severity) if known else len(SEVERITIES)


def _place(alert: AlertRow) -> tuple[str, str, Group]:
    return alert.namespace, alert.rule, alert.group


def _value(alert: AlertRow, catalogue: Catalogue) -> str:
    reading, metric = alert.reading, catalogue.metrics.get(alert.about.metric)
    unit = metric.unit if metric else "score"
    if reading.value is None:
        return NOTHING
    interval = ""
    if reading.low is not None and reading.high is not None:
        interval = f" [{number(reading.low, unit)} to {number(reading.high, unit)}]"
    n = "" if reading.n is None else f", n {reading.n:,}"
    before = "" if alert.baseline is None else f"; before {number(alert.baseline.value, unit)}"
    return f"{number(reading.value, unit)}{interval}{n}{before}"
