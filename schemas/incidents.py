"""An incident: alerts that belong together, where their change comes from, and what happened about then."""

from datetime import datetime
from typing import Final

import msgspec

MEMBERS_MAX: Final = 20
"""Most alerts that an incident names; with more of them it is a digest."""
RULE: Final = "incident-"
"""The rule of an incident's own changes begins so; behind it is the id."""
_SHOWN: Final = 3


class IncidentAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of an incident. until: when it ended; None as long as it fires."""

    rule: str
    severity: str
    place: str
    condition: str
    since: datetime
    until: datetime | None = None


class CauseGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What a group adds to a change, in the metric's unit: rate + mix. before, after: its own, None without data."""

    name: str
    before: float | None
    after: float | None
    rate: float
    mix: float

    @property
    def contribution(self) -> float:
        """Its part of the change."""
        return self.rate + self.mix


class CauseBy(msgspec.Struct, frozen=True, kw_only=True):
    """A change by a dimension: the groups that explain 80 % of it, of so many; rate and mix of all groups."""

    by: str
    rate: float
    mix: float
    groups: tuple[CauseGroup, ...]
    of: int


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Where the change of an alert comes from. before, after: of all groups together."""

    rule: str
    place: str
    metric: str
    before: float
    after: float
    by: tuple[CauseBy, ...]

    @property
    def text(self) -> str:
        """`nps 24.0 → −31.2: channel chat -48.1 of -55.2`: the dimension in which the fewest groups explain it."""
        change = self.after - self.before
        head = f"{self.metric} {self.before:,.1f} → {self.after:,.1f}"
        if not self.by or not self.by[0].groups:
            return head
        first = self.by[0]
        named = ", ".join(f"{one.name or '(none)'} {one.contribution:+,.1f}" for one in first.groups[:_SHOWN])
        return f"{head}: {first.by} {named} of {change:+,.1f}"


class IncidentAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation whose span lies within two hours of the beginning."""

    id: str
    kind: str
    at: datetime
    text: str
    link: str = ""


class AlertIncident(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one journey whose spans overlap, and whose groups nest or share a name.

    number: how many alerts it has, of which `alerts` names the first. silent: feeds that are silent. version: the same
    as long as the same alerts are in it, and fire.
    """

    id: str
    version: str
    journey: str
    opened: datetime
    closed: datetime | None
    number: int
    firing: int
    alerts: tuple[IncidentAlert, ...]
    silent: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    annotations: tuple[IncidentAnnotation, ...] = ()

    @property
    def text(self) -> str:
        """In a line."""
        how = "CLOSED" if self.closed else "OPEN"
        rules = ", ".join(dict.fromkeys(f"{one.rule} in {one.place}" for one in self.alerts[:_SHOWN]))
        more = f" and {self.number - _SHOWN:,} more" if self.number > _SHOWN else ""
        firing = f"{self.firing} of {self.number} alerts fire"
        parts = [f"{how} incident {self.id} in journey {self.journey}: {firing}: {rules}{more}"]
        if self.silent:
            parts.append(f"silent: {', '.join(self.silent)}")
        parts += [one.text for one in self.causes]
        parts += [f"{one.kind} at {one.at:%H:%M} UTC: {one.text}" for one in self.annotations]
        return "; ".join(parts)
