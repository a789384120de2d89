"""A notification: an alert that fires or is resolved, as every destination gets it."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

import msgspec

from touchstream.schemas.alert_actions import Action
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.incidents import AlertIncident
from touchstream.schemas.times import instant

_AGAIN: Final = {"again": "still firing", "unsilenced": "still firing", "escalated": "escalated"}
_NAMED: Final = 5
"""Most muted rules that a line of text names."""
_OTHER_ENDS: Final = frozenset({"retracted", "expired", "retired", "gone"})


class NotDelivered(RuntimeError):  # noqa: N818 - it says what happened
    """The destination didn't take it: it is to be tried again. The message holds no secrets."""


class RefusedForGood(RuntimeError):  # noqa: N818
    """The destination says that it will never take it: trying again would hold up those behind it."""


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """Who acknowledged an alert or silenced it, why, when, and until when a silence lasts."""

    by: str
    reason: str
    at: datetime
    until: datetime | None = None

    @classmethod
    def by_action(cls, action: Action) -> "Handled":
        """What a person did."""
        until = instant(action.until_ms) if action.until_ms else None
        return cls(by=action.by, reason=action.reason, at=instant(action.at_ms), until=until)

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"by {self.by}{until}: {self.reason}"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook and the topic `alerts` get as JSON (docs/alerts.md).

    `key` is the same however often it is sent, `alert` whatever becomes of the alert, `namespace` of the rules' file.
    `tick` is the end of the window in which the state changed, `since` is when the state began. A dimension is null
    where all of its names are together. Null otherwise: not known, or there is none.
    """

    key: str
    alert: str
    topic: str
    namespace: str
    rule: str
    state: str
    severity: str
    summary: str
    owner: str
    journey: str | None
    stage: str | None
    channel: str | None
    segment: str | None
    metric: str
    window: str
    condition: str
    verdict: str
    tick: datetime
    since: datetime
    value: float | None
    n: int | None
    low: float | None
    high: float | None
    completeness: float
    baseline: float | None
    baseline_n: int | None
    baseline_tick: datetime | None
    mutes: tuple[str, ...] = ()
    """Rules and groups that a silent feed mutes as long as it is, such as `nps_dropped in stage use`."""
    reason: str = ""
    """Why it can't be judged, where the verdict is `unable`."""
    incident: AlertIncident | None = None
    """Alerts that belong together: then `rule` is `incident-` and its id, and there is no value."""
    late_by_seconds: int | None = None
    """How long after the change it is sent, where that is some minutes: the destination was away, or it was held."""
    occasion: str = "change"
    """Why it is sent: a change; else it fires on and is told again: escalated, unsilenced, again."""
    runbook: str = ""
    acknowledged: Handled | None = None
    silenced: Handled | None = None

    @classmethod
    def of(cls, change: AlertRow, topic: str, namespace: str = "") -> "Notification":
        """The notification of a change. topic: the one whose events were measured. namespace: its name."""
        journey, stage, channel, segment = astuple(change.group)
        base = change.baseline
        return cls(
            key=change.key(topic),
            alert=change.id(topic),
            topic=topic,
            namespace=change.namespace or namespace,
            rule=change.rule,
            state=change.state,
            severity=change.about.severity,
            summary=change.about.summary,
            owner=change.about.owner,
            journey=journey,
            stage=stage,
            channel=channel,
            segment=segment,
            metric=change.about.metric,
            window=change.about.window,
            condition=change.about.condition,
            verdict=change.verdict,
            tick=instant(change.tick_ms),
            since=instant(change.since_ms),
            value=change.reading.value,
            n=change.reading.n,
            low=change.reading.low,
            high=change.reading.high,
            completeness=1.0,  # only complete windows are judged
            baseline=base.value if base else None,
            baseline_n=base.n if base else None,
            baseline_tick=instant(base.tick_ms) if base else None,
            mutes=change.mutes,
            reason=change.reason,
            incident=msgspec.json.decode(change.incident, type=AlertIncident) if change.incident else None,
        )

    @property
    def place(self) -> str:
        """The group in words, such as `stage support, channel chat`."""
        return place_of(Group(self.journey, self.stage, self.channel, self.segment))

    @property
    def text(self) -> str:
        """In a line: what, where, how much, and how much it rests on."""
        if self.incident is not None:
            return self.summary
        late = "" if self.late_by_seconds is None else f", late by {self.late_by_seconds // 60:,} min"
        said = f"{self.title}: {self.summary} ({self.evidence}{late})"
        return "; ".join([said + self._muted, *(f"{name} {value}" for name, value in self.care)])

    @property
    def title(self) -> str:
        """In a few words: `FIRING csat_low in stage support`."""
        how = self.headline if self.occasion == "change" else _AGAIN.get(self.occasion, self.headline)
        return f"{how.upper()} {self.rule} in {self.place}"

    @property
    def care(self) -> list[tuple[str, str]]:
        """Who takes care of it and how: owner, runbook, acknowledged, silenced; what is known of these."""
        known = {
            "owner": self.owner,
            "runbook": self.runbook,
            "acknowledged": str(self.acknowledged or ""),
            "silenced": str(self.silenced or ""),
        }
        return [(name, value) for name, value in known.items() if value]

    @property
    def _muted(self) -> str:
        """What a silent feed mutes, some of it."""
        if not self.mutes:
            return ""
        more = len(self.mutes) - _NAMED
        return f"; not judged meanwhile: {'; '.join(self.mutes[:_NAMED])}" + (f" and {more:,} more" if more > 0 else "")

    @property
    def headline(self) -> str:
        """How it stands: firing or resolved; retracted, expired, retired or gone where it ended without a recovery."""
        return self.verdict if self.state == "resolved" and self.verdict in _OTHER_ENDS else self.state

    @property
    def evidence(self) -> str:
        """Value, interval, n and what it was before: `csat 44.7 [39.4, 50.2], n 322; csat below 60 over 1m`."""
        if self.value is None:
            return f"{self.metric}: no value; {self.condition}"
        interval = "" if self.low is None or self.high is None else f" [{_short(self.low)}, {_short(self.high)}]"
        n = "" if self.n is None else f", n {self.n}"
        before = ""
        if self.baseline is not None:
            before = f", before {_short(self.baseline)}" + ("" if self.baseline_n is None else f", n {self.baseline_n}")
        return f"{self.metric} {_short(self.value)}{interval}{n}{before}; {self.condition}"


class Destination(Protocol):
    """A receiver of alert notifications."""

    @property
    def name(self) -> str:
        """What it is called in tables and metrics."""

    def send(self, notification: Notification) -> None:
        """Returns when it has been taken. Blocking, for some seconds at most. Raises NotDelivered, RefusedForGood."""

    def close(self) -> None:
        """End connections."""


@runtime_checkable
class Reminded(Protocol):
    """A destination that forgets what it was told when it is restarted."""

    def remind(self, firing: Sequence[Notification]) -> None:
        """Tell it once more of all that fires, and that watch is there. Raises NotDelivered, RefusedForGood."""


def place_of(group: Group) -> str:
    """A group in words, such as `stage support, channel chat`."""
    names = {"stage": group.stage, "channel": group.channel, "segment": group.segment}
    return ", ".join(f"{name} {value or '(none)'}" for name, value in names.items() if value is not None) or (
        f"journey {group.journey}" if group.journey is not None else "all"
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:,.1f}"
