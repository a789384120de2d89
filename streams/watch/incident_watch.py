"""Incidents as `watch` tells of them: gathered from the changes of alerts, told when an alert comes or goes.

All state is in the table of changes: what was told is there too, and what was not is told after a restart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog

from touchstream.schemas.alert_notifying import SEVERITIES
from touchstream.schemas.alert_state import About, AlertRow, Group, Reading
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.bins import Bins, bins_of
from touchstream.schemas.feed_rules import NAME as FEED_RULE
from touchstream.schemas.incidents import MEMBERS_MAX, RULE, AlertIncident, Cause, IncidentAlert, IncidentAnnotation
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.alerts.cause import CausePeriod
from touchstream.sinks.notify.notification import place_of
from touchstream.streams.watch.cause import BY, PeriodSums, cause_by
from touchstream.streams.watch.evidence.buckets import BUCKET_MS
from touchstream.streams.watch.incidents import GatheredIncident, Membership, gather
from touchstream.streams.watch.judge import FIRING, RESOLVED

log = structlog.get_logger(__name__)

CAUSES_MAX: Final = 3
"""Most alerts of an incident whose change is split."""
_LOOKED_BACK_MS: Final = 35 * 86_400_000
_HOUR_MS: Final = 3_600_000
_NOTED_MS: Final = 2 * _HOUR_MS
_WEEK_MS: Final = 7 * 24 * _HOUR_MS


class IncidentTables(Protocol):
    """Alerts: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def changes(self, from_ms: int = 0, states: Sequence[str] = ()) -> list[AlertRow]:
        """Changes since a tick, the newest first."""

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write changes."""


class CauseStore(Protocol):
    """Panes: see `sinks.clickhouse.alerts.cause.CauseTables`."""

    def cause_sums(self, by: str, bins: Bins, group: Group, periods: Sequence[CausePeriod]) -> PeriodSums:
        """By group of a dimension and number of a period what was counted by bin."""


NotedAt = Callable[[Sequence[Group], int, int], Sequence[IncidentAnnotation]]
"""What was noted about groups within [from, to] (ms)."""


@dataclass(frozen=True)
class IncidentSources:
    """What incidents are made of: panes, and annotations."""

    panes: CauseStore
    noted: NotedAt = lambda *_: ()


class IncidentWatch:
    """Tells of incidents: from the second alert on, or with a cause. Blocking; raises ClickHouseError.

    destinations: who is told. written: called after something to tell was written.
    """

    def __init__(
        self,
        tables: IncidentTables,
        sources: IncidentSources,
        rules: Rules,
        catalogue: Catalogue,
        destinations: Sequence[str],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self._tables, self._sources, self._catalogue = tables, sources, catalogue
        self._rules = {rule.name: rule for rule in rules.by_evidence}
        self._destinations, self._written = tuple(destinations), written
        self._is_due = True

    def wake(self) -> None:
        """An alert has fired, or ended."""
        self._is_due = True

    def step(self, now_ms: int) -> int:
        """Tell of incidents that have changed; how many. now_ms: since 1970."""
        if not self._is_due:
            return 0
        changes = self._tables.changes(now_ms - _LOOKED_BACK_MS, [FIRING, RESOLVED])
        told = {_told_of(one) for one in changes if one.rule.startswith(RULE)}
        known = {id_ for id_, _ in told}
        told_now: dict[AlertRow, Sequence[str]] = {}
        for gathered in gather(
            one for one in changes if one.group.journey is not None and not one.rule.startswith(RULE)
        ):
            if (gathered.id, gathered.version) in told:
                continue
            # One that was over before it was heard of is history, except where it came and went since the last look.
            if gathered.firing or gathered.id in known or now_ms - gathered.changed_ms < _HOUR_MS:
                incident = self._incident(gathered)
                if len(gathered.members) > 1 or incident.causes:
                    told_now[_change(gathered, incident)] = self._destinations
        if told_now:
            self._tables.record([], told_now)
            self._written()
        for change in told_now:
            log.info("incident changed", incident=change.rule, state=change.state, summary=change.about.summary)
        self._is_due = False
        return len(told_now)

    def _incident(self, gathered: GatheredIncident) -> AlertIncident:
        # Those that fire first, and of these the most severe: a digest names the first.
        members = sorted(
            gathered.members, key=lambda one: (one.ended is not None, SEVERITIES.index(one.fired.about.severity))
        )
        opened_ms = min(_onset_ms(one.fired) for one in members)
        closed = None if gathered.firing else instant(gathered.changed_ms)
        return AlertIncident(
            id=gathered.id,
            version=gathered.version,
            journey=gathered.journey or "",
            opened=instant(opened_ms),
            closed=closed,
            number=len(members),
            firing=len(gathered.firing),
            alerts=tuple(_alert(one) for one in members[:MEMBERS_MAX]),
            silent=tuple(place_of(one.group) for one in gathered.firing if one.rule.startswith(FEED_RULE)),
            causes=self._causes(members),
            annotations=tuple(
                self._sources.noted([one.fired.group for one in members], opened_ms - _NOTED_MS, opened_ms + _NOTED_MS)
            ),
        )

    def _causes(self, members: Sequence[Membership]) -> tuple[Cause, ...]:
        """The causes of the first alerts by evidence, one of each rule: answers before counts."""
        of_rules: dict[str, AlertRow] = {}
        for member in members:
            if member.fired.rule in self._rules and member.fired.baseline is not None:
                of_rules.setdefault(member.fired.rule, member.fired)
        chosen = sorted(of_rules.values(), key=lambda one: self._bins(self._rules[one.rule]).is_count)[:CAUSES_MAX]
        found = (self._cause(self._rules[alert.rule], alert) for alert in chosen)
        return tuple(cause for cause in found if cause is not None)

    def _cause(self, rule: Rule, alert: AlertRow) -> Cause | None:
        bins = self._bins(rule)
        periods = periods_of(_onset_ms(alert), alert.tick_ms, is_count=bins.is_count)
        fixed = {name for name, _ in alert.group.key}
        found = []
        for by in BY:
            if by not in fixed:
                sums = self._sources.panes.cause_sums(by, bins, alert.group, periods)
                if (parts := cause_by(by, bins, sums)) is not None:
                    found.append(parts)
        if not found:
            return None
        before, after = found[0][:2]
        # A dimension in which few groups make most of the change says more than one in which all do.
        dimensions = sorted((one for _, _, one in found if one.of > 1), key=lambda one: len(one.groups))
        place = place_of(alert.group)
        return Cause(rule=rule.name, place=place, metric=rule.metric, before=before, after=after, by=tuple(dimensions))

    def _bins(self, rule: Rule) -> Bins:
        bins = bins_of(self._catalogue.metrics[rule.metric])
        if bins is None:
            raise ValueError(f"{rule.name} is judged by evidence, and has no bins")
        return bins


def periods_of(onset_ms: int, end_ms: int, *, is_count: bool) -> list[CausePeriod]:
    """The period of a change, and those that it is held against.

    Answers against the 14 days that end six hours before it, counts against the same hours of up to four weeks.
    """
    onset_ms = min(onset_ms, end_ms - BUCKET_MS)
    if is_count:
        return [CausePeriod(onset_ms - week * _WEEK_MS, end_ms - week * _WEEK_MS) for week in range(5)]
    until_ms = onset_ms // _HOUR_MS * _HOUR_MS - 6 * _HOUR_MS
    return [CausePeriod(onset_ms, end_ms), CausePeriod(until_ms - 2 * _WEEK_MS, until_ms, 3600)]


def _onset_ms(alert: AlertRow) -> int:
    return alert.baseline.tick_ms if alert.baseline else alert.since_ms


def _alert(one: Membership) -> IncidentAlert:
    fired = one.fired
    return IncidentAlert(
        rule=fired.rule,
        severity=fired.about.severity,
        place=place_of(fired.group),
        condition=fired.about.condition,
        since=instant(fired.since_ms),
        until=instant(one.ended.tick_ms) if one.ended else None,
    )


def _change(gathered: GatheredIncident, incident: AlertIncident) -> AlertRow:
    """As a change of an alert, which the destinations are told of as of any other."""
    worst = min((one.fired.about for one in gathered.members), key=lambda about: SEVERITIES.index(about.severity))
    owners = dict.fromkeys(one.fired.about.owner for one in gathered.members if one.fired.about.owner)
    return AlertRow(
        rule=RULE + incident.id,
        group=Group(gathered.journey),
        tick_ms=gathered.changed_ms,
        state=FIRING if gathered.firing else RESOLVED,
        since_ms=min(one.fired.tick_ms for one in gathered.members) if gathered.firing else gathered.changed_ms,
        verdict="incident",
        about=About(
            worst.metric, worst.window, "alerts that belong together", worst.severity, ", ".join(owners), incident.text
        ),
        reading=Reading(None),
        incident=msgspec.json.encode(incident).decode(),
    )


def _told_of(change: AlertRow) -> tuple[str, str]:
    incident = msgspec.json.decode(change.incident, type=AlertIncident)
    return incident.id, incident.version
