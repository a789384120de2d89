"""A notification: an alert that fires or is resolved, as every destination gets it."""

from dataclasses import astuple
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from touchstream.schemas.alert_state import AlertRow


class NotDelivered(RuntimeError):  # noqa: N818 - it says what happened
    """The destination didn't take it: it is to be tried again. The message holds no secrets."""


class RefusedForGood(RuntimeError):  # noqa: N818
    """The destination says that it will never take it: trying again would hold up those behind it."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook and the topic `alerts` get as JSON (docs/alerts.md).

    `key` is the same however often it is sent. `tick` is the end of the window in which the state changed, `since` is
    when the state began. A dimension is null where all of its names are together. Null otherwise: not known, or
    there is none.
    """

    key: str
    topic: str
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

    @classmethod
    def of(cls, change: AlertRow, topic: str) -> "Notification":
        """The notification of a change. topic: the one whose events were measured."""
        journey, stage, channel, segment = astuple(change.group)
        base = change.baseline
        return cls(
            key=change.key(topic),
            topic=topic,
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
            tick=_instant(change.tick_ms),
            since=_instant(change.since_ms),
            value=change.reading.value,
            n=change.reading.n,
            low=change.reading.low,
            high=change.reading.high,
            completeness=1.0,  # only complete windows are judged
            baseline=base.value if base else None,
            baseline_n=base.n if base else None,
            baseline_tick=_instant(base.tick_ms) if base else None,
        )

    @property
    def place(self) -> str:
        """The group in words, such as `stage support, channel chat`."""
        dimensions = {"stage": self.stage, "channel": self.channel, "segment": self.segment}
        return ", ".join(f"{name} {value or '(none)'}" for name, value in dimensions.items() if value is not None) or (
            f"journey {self.journey}"
        )

    @property
    def text(self) -> str:
        """In a line: what, where, how much, and how much it rests on."""
        return f"{self.state.upper()} {self.rule} in {self.place}: {self.summary} ({self.evidence})"

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


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:,.1f}"


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
