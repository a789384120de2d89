"""A destination that takes nothing is told of elsewhere: as an alert, which the other destinations get."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from touchstream.schemas import times
from touchstream.schemas.alert_state import About, AlertRow, Group, Reading
from touchstream.streams.watch.judge import BREACH, CLEAR, FIRING, RESOLVED, RETIRED

log = structlog.get_logger(__name__)

OWN_RULES: Final = "touchstream:"
"""How names of alerts begin that no file declares; no rule of a file can be called so."""
DEAD_RULE: Final = OWN_RULES + "destination"
DEAD_SECONDS: Final = 900.0
"""Seconds of failures without a success until a destination counts as dead."""
_SUMMARY_MAX: Final = 200


@dataclass(frozen=True)
class Trouble:
    """How a destination's worker fares. failing_seconds: since the first failure after its last success; 0 without.

    error: of the last failure. has_worked: whether anything was taken since it started, or nothing is waiting.
    """

    failing_seconds: float = 0.0
    error: str = ""
    has_worked: bool = False


class DeadStore(Protocol):
    """Where the alert is kept: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = ()) -> list[AlertRow]:
        """How alerts stand."""

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write changes, then alerts."""


class DeadDestinations:
    """Raises an alert for each destination that stays dead, and ends it. Blocking; raises ClickHouseError."""

    def __init__(
        self,
        tables: DeadStore,
        troubles: Mapping[str, Callable[[], Trouble]],
        written: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = times.now_ms,
    ) -> None:
        """Troubles: by the name of a destination how it fares."""
        self._tables, self._troubles, self._written, self._now_ms = tables, troubles, written, now_ms

    def step(self) -> None:
        """Compare what is known with what was said."""
        said = {alert.group.channel: alert for alert in self._tables.alerts([DEAD_RULE], [FIRING])}
        changes = [
            change for name, trouble in self._troubles.items() if (change := self._change(name, trouble(), said))
        ]
        changes += [
            _ended(alert, self._now_ms(), RETIRED) for name, alert in said.items() if name not in self._troubles
        ]
        if changes:
            self._tables.record(changes, {change: self._others(change) for change in changes})
            self._written()
        for change in changes:
            log.warning("destination", destination=change.group.channel, state=change.state, why=change.about.summary)

    def _change(self, name: str, trouble: Trouble, said: Mapping[str | None, AlertRow]) -> AlertRow | None:
        now_ms = self._now_ms()
        if trouble.failing_seconds >= DEAD_SECONDS and name not in said:
            return _dead(name, trouble, now_ms)
        if name in said and trouble.has_worked and not trouble.failing_seconds:
            return _ended(said[name], now_ms, CLEAR)
        return None

    def _others(self, change: AlertRow) -> Sequence[str]:
        return [name for name in self._troubles if name != change.group.channel]


def own_rules_left_out(alerts: Iterable[AlertRow]) -> list[AlertRow]:
    """The alerts of rules that a file declares, or declared."""
    return [alert for alert in alerts if not alert.rule.startswith(OWN_RULES)]


def _dead(name: str, trouble: Trouble, now_ms: int) -> AlertRow:
    minutes = round(trouble.failing_seconds / 60)
    summary = f"{name} has taken no notification for {minutes} min: {trouble.error}"[:_SUMMARY_MAX]
    about = About("deliveries", "15m", "no notification is taken for 15 min", "critical", "", summary)
    return AlertRow(DEAD_RULE, Group(None, channel=name), now_ms, FIRING, now_ms, BREACH, about, Reading(None))


def _ended(alert: AlertRow, now_ms: int, verdict: str) -> AlertRow:
    about = replace(alert.about, summary=f"{alert.group.channel} takes notifications again")
    return replace(alert, tick_ms=now_ms, since_ms=now_ms, state=RESOLVED, verdict=verdict, about=about)
