"""Every rule of windows at every complete tick, once and in order: also after a restart, and where ticks wait.

All state is in the tables: whenever a window has become complete a step reads how alerts stand, judges the ticks behind
the rule's cursor, and writes changes, then alerts, then the cursor. A crash between two of them judges the same ticks
again, from the same rows, to the same end; two watchers for a moment write the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from touchstream.schemas.alert_state import AlertRow, Group, Reading
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.feed_rules import feed_rules
from touchstream.schemas.metrics import Catalogue, Metric
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.store import GROUPS_MAX
from touchstream.streams.process import metrics
from touchstream.streams.watch.dead_destinations import own_rules_left_out
from touchstream.streams.watch.judge import FIRING, TOLD, UNJUDGED, Tick, judge, retire
from touchstream.streams.watch.muting import Muting
from touchstream.streams.watch.policy import destinations_of

log = structlog.get_logger(__name__)

TICKS_MAX: Final = 30
"""Most ticks of one rule judged in one step: after a long pause it catches up in pieces."""
_FAR_MS: Final = 1 << 42


class TickReadings(Protocol):
    """What rules look at."""

    def readings(self, rule: Rule, metric: Metric, ticks: Sequence[int]) -> dict[int, dict[Group, Reading]]:
        """By complete tick; ticks are in order."""


class WatchTables(TickReadings, Protocol):
    """What a watch reads and writes: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = ()) -> list[AlertRow]:
        """How alerts stand."""

    def cursors(self) -> dict[str, int]:
        """Up to which tick each rule was judged."""

    def newest_tick(self, window: str) -> int | None:
        """The newest complete tick."""

    def waiting(self, after_ms: Mapping[str, int], most: int) -> dict[str, list[int]]:
        """Complete ticks of windows behind an instant of each, in order."""

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write changes, then alerts."""

    def record_judged(self, rule: str, tick_ms: int) -> None:
        """Write the cursor."""


class Watch:
    """Judges what is to be judged. Blocking.

    destinations: notified when an alert fires or is resolved. written: called after such a change was written.
    muting: what silent feeds mute.
    """

    def __init__(
        self,
        tables: WatchTables,
        rules: Rules,
        catalogue: Catalogue,
        destinations: Sequence[str],
        written: Callable[[], None] = lambda: None,
        muting: Muting | None = None,
    ) -> None:
        self._muting = muting
        self._tables, self._catalogue, self._destinations = tables, catalogue, tuple(destinations)
        self._written = written
        self._rules = {rule.name: rule for rule in rules.by_window}
        self._all_rules = {rule.name: rule for rule in (*rules.rules, *feed_rules(rules, catalogue))}
        self._cursors: dict[str, int] | None = None
        self.judged_to_ms = 0
        """As of the last step: complete windows that end by then have been judged by every rule."""

    @property
    def rules(self) -> Mapping[str, Rule]:
        """The rules by name, those of windows."""
        return self._rules

    @property
    def step_ms(self) -> int:
        """The distance of the windows that are judged most often; 0 without rules."""
        return min((BY_NAME[rule.window].step_ms for rule in self._rules.values()), default=0)

    def step(self) -> int:
        """Judge complete ticks that have not been judged, some of each rule; how many. Raises ClickHouseError."""
        try:
            if self._cursors is None:
                self._retire()
                self._cursors = self._tables.cursors()
            judged, behind = 0, []
            for rule, ticks in self._waiting(self._cursors):
                self._judge(rule, ticks)
                self._cursors[rule.name] = ticks[-1]
                judged += len(ticks)
                if len(ticks) == TICKS_MAX:  # there may be more
                    behind.append(ticks[-1])
            newest = max((self._cursors.get(name, 0) for name in self._rules), default=0)
            self.judged_to_ms = min(behind, default=newest)
        except BaseException:
            self._cursors = None  # what was written is not known: begin again from the tables
            raise
        return judged

    def _waiting(self, cursors: Mapping[str, int]) -> list[tuple[Rule, list[int]]]:
        """Rules and the ticks behind their cursors, in order."""
        after: dict[str, int] = {}
        for rule in self._rules.values():
            if rule.name in cursors:
                after[rule.window] = min(after.get(rule.window, _FAR_MS), cursors[rule.name])
        ticks = self._tables.waiting(after, TICKS_MAX) if after else {}
        # A rule that is new begins with the newest window: last month is not to be notified.
        new = {rule.window for rule in self._rules.values() if rule.name not in cursors}
        newest = {window: self._tables.newest_tick(window) for window in sorted(new)}
        found = []
        for rule in self._rules.values():
            cursor = cursors.get(rule.name)
            behind = [newest[rule.window]] if cursor is None else ticks.get(rule.window, [])
            mine = [tick for tick in behind if tick is not None and tick > (cursor or 0)]
            if mine:
                found.append((rule, mine))
        return found

    def _judge(self, rule: Rule, ticks: Sequence[int]) -> None:
        known = {alert.group: alert for alert in self._tables.alerts(rules=[rule.name])}
        alerts: dict[Group, AlertRow] = {}
        changes: dict[AlertRow, Sequence[str]] = {}
        metric = self._catalogue.metrics[rule.metric]
        for tick in ticks_of(self._tables, rule, metric, ticks, self._muting):
            found = judge(rule, metric, known | alerts, tick)
            alerts |= {alert.group: alert for alert in found.alerts}
            changes |= {change: self._told(change) for change in found.changes}
        self._record(list(alerts.values()), changes)
        self._tables.record_judged(rule.name, ticks[-1])
        _report(rule, ticks, known | alerts, list(changes))

    def _retire(self) -> None:
        """End alerts whose rule was removed, or looks elsewhere now."""
        ended = [retire(self._all_rules.get(alert.rule), alert) for alert in own_rules_left_out(self._tables.alerts())]
        changes = {alert: self._told(alert) for alert in ended if alert is not None}
        self._record(list(changes), changes)
        for alert in changes:
            log.info("alert ended: no rule looks at it any more", rule=alert.rule, state=alert.state)

    def _record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        self._tables.record(alerts, changes)
        if any(changes.values()):
            self._written()

    def _told(self, change: AlertRow) -> Sequence[str]:
        return destinations_of(self._all_rules.get(change.rule), self._destinations) if change.state in TOLD else ()


def ticks_of(
    tables: TickReadings, rule: Rule, metric: Metric, ticks: Sequence[int], muting: Muting | None = None
) -> list[Tick]:
    """What a rule looks at, at each of these ticks and in the window before it."""
    length_ms = BY_NAME[rule.window].length_ms
    wanted = {*ticks, *(tick - length_ms for tick in ticks if rule.difference is not None)}
    readings = tables.readings(rule, metric, sorted(wanted))
    return [
        Tick(
            tick_ms=tick,
            before_ms=tick - length_ms,
            readings=readings.get(tick, {}),
            before=readings.get(tick - length_ms, {}),
            whole=len(readings.get(tick, {})) < GROUPS_MAX,
            muted=muting.muted(rule, tick, readings.get(tick, {})) if muting else frozenset(),
        )
        for tick in ticks
    ]


def _report(rule: Rule, ticks: Sequence[int], alerts: Mapping[Group, AlertRow], changes: Sequence[AlertRow]) -> None:
    metrics.WATCH_TICKS.labels(rule.name).inc(len(ticks))
    metrics.WATCH_JUDGED.labels(rule.name).set(ticks[-1] / 1000)
    metrics.WATCH_FIRING.labels(rule.name).set(sum(alert.state == FIRING for alert in alerts.values()))
    unjudged = sum(alert.verdict in UNJUDGED for alert in alerts.values() if alert.tick_ms == ticks[-1])
    metrics.WATCH_UNJUDGED.labels(rule.name).set(unjudged)
    for change in changes:
        metrics.WATCH_CHANGES.labels(rule.name, change.state).inc()
        log.info(
            "alert changed",
            rule=rule.name,
            state=change.state,
            stage=change.group.stage,
            channel=change.group.channel,
            value=change.reading.value,
            n=change.reading.n,
            tick_ms=change.tick_ms,
        )
