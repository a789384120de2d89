"""What people do about alerts: they acknowledge one that fires, or silence some for a time. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from touchstream.schemas.alert_state import AlertRow

ACK: Final = "ack"
SILENCE: Final = "silence"
UNSILENCE: Final = "unsilence"

SILENCE_DAYS_MAX: Final = 90
"""The longest silence: one that is never lifted must end some time."""
WORDS_MAX: Final = 500
"""Most characters of a name or a reason."""

_FIRING: Final = "firing"


def one_line(text: str) -> str:
    """A name or a reason as it is stored: without line breaks and doubled spaces. Raises ValueError."""
    words = " ".join(text.split())
    if not words or len(words) > WORDS_MAX or not words.isprintable():
        raise ValueError(f"takes one line, of at most {WORDS_MAX} characters")
    return words


@dataclass(frozen=True)
class AlertTarget:
    """Which alerts a silence is for: those of namespaces, of a rule, in groups that have some names; empty: of all.

    namespaces: as they are stored.
    """

    namespaces: tuple[str, ...] = ()
    rule: str = ""
    group_key: tuple[tuple[str, str], ...] = ()

    def id(self, topic: str) -> str:
        """What identifies a silence: a second one for the same alerts takes the place of the first."""
        identity = json.dumps([topic, sorted(self.namespaces), self.rule, sorted(self.group_key)])
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    def is_for(self, alert: AlertRow) -> bool:
        """Whether an alert is one of them."""
        return (
            (not self.namespaces or alert.namespace in self.namespaces)
            and self.rule in ("", alert.rule)
            and {*self.group_key} <= {*alert.group.key}
        )


@dataclass(frozen=True)
class Action:
    """One thing that a person did. kind: ack, silence or unsilence. Instants in milliseconds since 1970, of the clock.

    id: of the alert, or of the silence. since_ms: when the alert that is acknowledged began to fire, in event time.
    """

    kind: str
    id: str
    target: AlertTarget
    at_ms: int
    by: str
    reason: str
    since_ms: int = 0
    until_ms: int = 0


@dataclass(frozen=True)
class _Span:
    action: Action
    end_ms: int


class Actions:
    """What was done about the alerts of a topic, and what holds of it at an instant."""

    def __init__(self, topic: str, actions: Iterable[Action] = ()) -> None:
        self._topic = topic
        ordered = sorted(actions, key=lambda one: (one.at_ms, one.kind, one.by))
        self._acknowledged = {(one.id, one.since_ms): one for one in reversed(ordered) if one.kind == ACK}
        by_id: dict[str, list[Action]] = {}
        for one in ordered:
            if one.kind != ACK:
                by_id.setdefault(one.id, []).append(one)
        self._spans = [span for same in by_id.values() for span in _spans(same)]

    def acknowledgement(self, alert: AlertRow) -> Action | None:
        """Who takes care of an alert that fires: the first who said so, since it began to."""
        return self._acknowledged.get((alert.id(self._topic), alert.since_ms)) if alert.state == _FIRING else None

    def silence(self, alert: AlertRow, at_ms: int) -> Action | None:
        """The silence of an alert at an instant; of several the one that ends last."""
        over = [span for span in self._spans if _holds(span, at_ms) and span.action.target.is_for(alert)]
        return max(over, key=lambda span: span.end_ms).action if over else None

    def silence_ended_ms(self, alert: AlertRow, after_ms: int, at_ms: int) -> int | None:
        """When the last silence of an alert in (after_ms, at_ms] ended; None where none did, or another one holds."""
        if self.silence(alert, at_ms):
            return None
        ended = (span for span in self._spans if after_ms < span.end_ms <= at_ms)
        return max((span.end_ms for span in ended if span.action.target.is_for(alert)), default=None)

    def silences(self, at_ms: int) -> Sequence[Action]:
        """The silences at an instant, the one that ends first, first."""
        return [span.action for span in sorted(self._spans, key=lambda span: span.end_ms) if _holds(span, at_ms)]


def _holds(span: _Span, at_ms: int) -> bool:
    return span.action.at_ms <= at_ms < span.end_ms


def _spans(same: Sequence[Action]) -> Iterator[_Span]:
    """From when to when each silence of an id held: until its end, or until another word about it."""
    for number, one in enumerate(same):
        if one.kind == SILENCE:
            after = same[number + 1 :]
            end_ms = min(one.until_ms, after[0].at_ms) if after else one.until_ms
            if end_ms > one.at_ms:
                yield _Span(one, end_ms)
