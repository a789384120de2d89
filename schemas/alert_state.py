"""Alerts as everybody passes them on: where a rule looked, what it read, and how the alert stands since when."""

import hashlib
import json
from dataclasses import astuple, dataclass

from touchstream.schemas.alerts import DIMENSIONS, Rule
from touchstream.schemas.groups import spelled


@dataclass(frozen=True)
class Group:
    """Where a rule looks: a name of each dimension, None for all of them together."""

    journey: str | None
    stage: str | None = None
    channel: str | None = None
    segment: str | None = None

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """As the tables have it: (dimension, name) of what isn't all together."""
        names = zip(DIMENSIONS, astuple(self), strict=True)
        return tuple((dimension, name) for dimension, name in names if name is not None)


@dataclass(frozen=True)
class Reading:
    """A metric in one window. Null without answers; n is null for a count; low and high are its 95 % interval."""

    value: float | None
    n: int | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Baseline:
    """What a drop or a rise is held against, and the tick of its window."""

    value: float
    n: int | None
    tick_ms: int


@dataclass(frozen=True)
class About:
    """The description of a rule, kept with its alerts for readers that don't have the file of rules."""

    metric: str
    window: str
    condition: str
    severity: str
    owner: str
    summary: str

    @classmethod
    def of(cls, rule: Rule) -> "About":
        """The description of a rule."""
        return cls(rule.metric, rule.span, rule.condition, rule.severity, rule.owner or "", rule.summary)


@dataclass(frozen=True)
class AlertRow:
    """A rule in one group as of a tick. state: ok, pending, firing, resolved, since the tick `since_ms`.

    verdict: clear or breach; too_few, no_value or no_baseline where it was not judged, and the state stayed as it was;
    gone (the group had no rows any more) or retired (the rule doesn't look at it any more); no_data where the feed is
    silent. reason: why it can't be judged. mutes: what a silent feed mutes, as people read it.
    incident: as JSON, where this is a change of one.
    """

    rule: str
    group: Group
    tick_ms: int
    state: str
    since_ms: int
    verdict: str
    about: About
    reading: Reading
    baseline: Baseline | None = None
    reason: str = ""
    mutes: tuple[str, ...] = ()
    incident: str = ""
    namespace: str = ""
    """As it is stored: empty for the first one of a topic, whose keys are those of before there were namespaces."""

    def id(self, topic: str) -> str:
        """What identifies the alert, whatever becomes of it."""
        return _digest([topic, self.rule, *self._place])[:12]

    def key(self, topic: str) -> str:
        """What identifies this change: the same whoever saw it, and however often."""
        version = [json.loads(self.incident)["version"]] if self.incident else []
        return _digest([topic, self.rule, *self._place, self.tick_ms, self.state, *version])

    @property
    def _place(self) -> list[str]:
        return [*map(spelled, astuple(self.group)), *([self.namespace] if self.namespace else [])]


def _digest(identity: list[str | int]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
