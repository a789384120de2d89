"""The incident of an alert as its page shows it: where the change comes from, and what was noted then. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from touchstream.schemas.incidents import (
    RULE,
    AlertIncident,
    Cause,
    CauseBy,
    CauseGroup,
    IncidentAlert,
    IncidentAnnotation,
)
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import since_epoch
from touchstream.sinks.page.figures import NOTHING, difference, number


@dataclass(frozen=True)
class CauseLine:
    """What a group adds to a change, in words: the whole, and its parts by worse answers and by another mix."""

    name: str
    before: str
    after: str
    adds: str
    rate: str
    mix: str


@dataclass(frozen=True)
class CauseTable:
    """The groups of a dimension that explain a change; others: how many more there are."""

    by: str
    lines: tuple[CauseLine, ...]
    others: int


@dataclass(frozen=True)
class CauseView:
    """Where the change of an alert comes from."""

    rule: str
    place: str
    label: str
    before: str
    after: str
    tables: tuple[CauseTable, ...]


@dataclass(frozen=True)
class IncidentView:
    """An incident. address: of its own page, below `alerts/`; more: alerts that aren't named."""

    id: str
    address: str
    is_open: bool
    since_ms: int
    until_ms: int | None
    number: int
    firing: int
    alerts: tuple[IncidentAlert, ...]
    silent: tuple[str, ...]
    causes: tuple[CauseView, ...]
    annotations: tuple[IncidentAnnotation, ...]

    @property
    def more(self) -> int:
        """Alerts that are not named."""
        return self.number - len(self.alerts)


def incident_with(incidents: Sequence[AlertIncident], rule: str, place: str, since_ms: int) -> AlertIncident | None:
    """The incident in which an alert of a rule in a place began to fire at an instant (ms), or that it is itself."""
    for one in incidents:
        if rule == RULE + one.id:
            return one
        if any((two.rule, two.place, since_epoch(two.since)) == (rule, place, since_ms) for two in one.alerts):
            return one
    return None


def incident_view(incident: AlertIncident, catalogue: Catalogue) -> IncidentView:
    """An incident in words."""
    names = urlencode({"journey": incident.journey})
    return IncidentView(
        id=incident.id,
        address=f"{quote(RULE + incident.id, safe='')}?{names}",
        is_open=incident.closed is None,
        since_ms=since_epoch(incident.opened),
        until_ms=None if incident.closed is None else since_epoch(incident.closed),
        number=incident.number,
        firing=incident.firing,
        alerts=incident.alerts,
        silent=incident.silent,
        causes=tuple(_cause(one, catalogue) for one in incident.causes),
        annotations=incident.annotations,
    )


def _cause(cause: Cause, catalogue: Catalogue) -> CauseView:
    metric = catalogue.metrics.get(cause.metric)
    unit = metric.unit if metric else "score"
    return CauseView(
        rule=cause.rule,
        place=cause.place,
        label=catalogue.title(cause.metric),
        before=number(cause.before, unit),
        after=number(cause.after, unit),
        tables=tuple(_table(one, unit) for one in cause.by),
    )


def _table(parts: CauseBy, unit: str) -> CauseTable:
    return CauseTable(parts.by, tuple(_line(one, unit) for one in parts.groups), parts.of - len(parts.groups))


def _line(group: CauseGroup, unit: str) -> CauseLine:
    before, after = (NOTHING if one is None else number(one, unit) for one in (group.before, group.after))
    adds, rate, mix = (difference(one, unit) for one in (group.contribution, group.rate, group.mix))
    return CauseLine(group.name, before, after, adds, rate, mix)
