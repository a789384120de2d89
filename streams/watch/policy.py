"""Whether a destination is told of a change now, later, or not at all: silences, quiet hours, escalation. Pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from touchstream.schemas import times
from touchstream.schemas.alert_actions import Actions
from touchstream.schemas.alert_notifying import TOLD
from touchstream.schemas.alerts import Rule, Rules
from touchstream.sinks.clickhouse.alerts.store import OpenAlert, Undelivered
from touchstream.streams.watch.judge import FIRING

LEFT_OUT: Final = "left out"
"""How the outcome begins of a change that a destination is not told of."""
HOLD: Final = "hold"
SEND: Final = "send"

_RECORD: Final = "topic"
"""The destination that gets every change at once: it is a record for programs."""


class Occasion(StrEnum):
    """Why a notification is sent: a change of the alert; else it still fires."""

    CHANGE = "change"
    ESCALATED = "escalated"
    UNSILENCED = "unsilenced"
    AGAIN = "again"


@dataclass(frozen=True)
class Telling:
    """What is known of how a file's alerts are told. namespace: its name. now_ms: the clock, since 1970."""

    rules: Rules | None = None
    namespace: str = ""
    now_ms: Callable[[], int] = times.now_ms
    is_judging: Callable[[], bool] = lambda: True
    """Whether `watch` judges now: what is told each minute says that it does."""

    def rule(self, name: str) -> Rule | None:
        """A rule of the file; None where it was removed."""
        return self.rules.named.get(name) if self.rules else None


NOTHING_SAID: Final = Telling()
"""Without a file: all destinations are told of all at once."""


@dataclass(frozen=True)
class Repeat:
    """A notification of an alert that goes on firing; key: the same for all watches, before and after a restart."""

    alert: OpenAlert
    occasion: Occasion
    key: str


def destinations_of(rule: Rule | None, configured: Sequence[str]) -> tuple[str, ...]:
    """Which of the configured destinations may be told of a rule's alerts; all of those of a rule that was removed."""
    if rule is None or rule.notify is None:
        return tuple(configured)
    named = {_RECORD, *rule.notify, *(rule.escalate.to if rule.escalate else ())}
    return tuple(name for name in configured if name in named)


class Policy:
    """What one destination is told at one instant. now_ms: the clock, since 1970."""

    def __init__(self, destination: str, telling: Telling, actions: Actions, now_ms: int) -> None:
        self._destination, self._telling, self._actions, self._now_ms = destination, telling, actions, now_ms

    def decide(self, one: Undelivered, outcomes: Mapping[str, str]) -> str:
        """SEND, HOLD until another instant, or the outcome of a change that the destination is not told of.

        outcomes: what became of earlier notifications, by key; see `needed`.
        """
        if self._destination == _RECORD:
            return SEND
        rule, change = self._telling.rule(one.change.rule), one.change
        if change.state == FIRING:
            if not self._is_told(rule):
                return f"{LEFT_OUT}: told of it if it is escalated"
            if self._actions.silence(change, self._now_ms):
                return HOLD if one.is_newest else f"{LEFT_OUT}: silenced, and over meanwhile"
        elif not self._knows(one, outcomes):
            return f"{LEFT_OUT}: not told of its beginning"
        return HOLD if self._is_quiet(rule) else SEND

    def needed(self, found: Sequence[Undelivered]) -> list[str]:
        """The keys whose outcomes `decide` asks for."""
        before = [one.key_before for one in found if one.change.state != FIRING and one.key_before]
        return [*before, *(repeat_key(key, Occasion.ESCALATED, 0) for key in before)]

    @property
    def has_repeats(self) -> bool:
        """Whether the destination is ever told again."""
        return self._destination in TOLD and self._telling.rules is not None

    def repeats(self, alert: OpenAlert) -> list[Repeat]:
        """Notifications that are due of an alert that goes on firing, the one that says most first. Mostly none."""
        rule, change = self._telling.rule(alert.change.rule), alert.change
        if not self.has_repeats or rule is None:
            return []
        if self._actions.acknowledgement(change) or self._actions.silence(change, self._now_ms) or self._is_quiet(rule):
            return []
        due: list[tuple[Occasion, int]] = []
        escalate, fired_for_ms = rule.escalate, self._now_ms - alert.written_at_ms
        if escalate and self._destination in escalate.to and fired_for_ms >= _ms(escalate.after):
            due.append((Occasion.ESCALATED, 0))
        if alert.outcome == "delivered":
            ended_ms = self._actions.silence_ended_ms(change, alert.delivered_at_ms, self._now_ms)
            if ended_ms is not None:
                due.append((Occasion.UNSILENCED, ended_ms))
            passed_ms = self._now_ms - alert.delivered_at_ms
            if rule.renotify and passed_ms >= _ms(rule.renotify):
                due.append((Occasion.AGAIN, passed_ms // _ms(rule.renotify)))
        return [Repeat(alert, occasion, repeat_key(alert.key, occasion, number)) for occasion, number in due]

    def _knows(self, one: Undelivered, outcomes: Mapping[str, str]) -> bool:
        """Whether the destination was told of the beginning of what has ended; also if it was not there then."""
        if outcomes.get(repeat_key(one.key_before, Occasion.ESCALATED, 0)) == "delivered":
            return True
        return not outcomes.get(one.key_before, "").startswith(LEFT_OUT)

    def _is_told(self, rule: Rule | None) -> bool:
        return rule is None or rule.notify is None or self._destination in rule.notify

    def _is_quiet(self, rule: Rule | None) -> bool:
        rules = self._telling.rules
        if rules is None or rule is None or self._destination not in TOLD:
            return False
        return rules.is_quiet(rule, self._now_ms)


def repeat_key(key: str, occasion: Occasion, number: int) -> str:
    """The key of a notification that an alert goes on firing. key: of the change with which it began to."""
    return hashlib.sha256(f"{key} {occasion} {number}".encode()).hexdigest()[:32]


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
