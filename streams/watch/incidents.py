"""Which alerts are one incident. Pure: the changes of alerts in, incidents out, the same whenever it is asked."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from typing import Final

from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.incidents import MEMBERS_MAX
from touchstream.streams.watch.judge import FIRING

_HOUR_MS: Final = 3_600_000


@dataclass
class Membership:
    """An alert in an incident: how it was when it began to fire, and the change that ended it."""

    fired: AlertRow
    ended: AlertRow | None = None


@dataclass
class GatheredIncident:
    """Alerts that belong together, in the order in which they began to fire. changed_ms: when one last came or went."""

    members: list[Membership] = field(default_factory=list)
    changed_ms: int = 0

    @property
    def journey(self) -> str | None:
        """That of all its alerts."""
        return self.members[0].fired.group.journey

    @property
    def firing(self) -> list[AlertRow]:
        """The alerts that fire."""
        return [one.fired for one in self.members if one.ended is None]

    @property
    def id(self) -> str:
        """That of the alert with which it began."""
        first = self.members[0].fired
        return _digest([first.rule, astuple(first.group), first.tick_ms])[:8]

    @property
    def version(self) -> str:
        """Another one when an alert comes or goes; of a digest, at most each hour, and when it closes."""
        if len(self.members) > MEMBERS_MAX:
            said: object = [self.changed_ms // _HOUR_MS, not self.firing]
        else:
            said = [(one.fired.rule, astuple(one.fired.group), one.ended is None) for one in self.members]
        return _digest([self.id, said])[:16]


def gather(changes: Iterable[AlertRow]) -> list[GatheredIncident]:
    """Incidents from the changes of alerts that fired or ended.

    An alert joins the oldest open incident of its journey in which an alert's group nests with its own, or shares a
    name with it; else it begins one. An incident is over when none of its alerts fires.
    """
    found: list[GatheredIncident] = []
    still: list[GatheredIncident] = []
    for change in sorted(changes, key=lambda one: (one.tick_ms, one.state != FIRING, one.rule, one.group.key)):
        same = next((one for one in still if _member(one, change) is not None), None)
        if change.state == FIRING and same is None:
            joined = next((one for one in still if _belongs(one, change)), None)
            if joined is None:
                joined = GatheredIncident()
                found.append(joined)
                still.append(joined)
            joined.members.append(Membership(change))
            joined.changed_ms = change.tick_ms
        elif change.state != FIRING and same is not None:
            member = _member(same, change)
            if member is not None:
                member.ended = change
            same.changed_ms = change.tick_ms
            if not same.firing:
                still.remove(same)
    return found


def related(one: Group, other: Group) -> bool:
    """Whether a group lies within the other, or both have the same stage, channel or segment."""
    if one.journey != other.journey:
        return False
    pairs = [(one.stage, other.stage), (one.channel, other.channel), (one.segment, other.segment)]
    if any(a is not None and a == b for a, b in pairs):
        return True
    return all(a is None or a == b for a, b in pairs) or all(b is None or a == b for a, b in pairs)


def _member(incident: GatheredIncident, change: AlertRow) -> Membership | None:
    """The alert of a change in an incident, where it fires in it."""
    alert = change.rule, change.group
    return next(
        (one for one in incident.members if one.ended is None and (one.fired.rule, one.fired.group) == alert), None
    )


def _belongs(incident: GatheredIncident, change: AlertRow) -> bool:
    return any(related(one.fired.group, change.group) for one in incident.members)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
