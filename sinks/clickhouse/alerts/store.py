"""Alerts in ClickHouse: their state, changes and notifications, and the rolling rows they are judged by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_actions import Actions
from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import DIMENSIONS, Rule
from touchstream.schemas.incidents import AlertIncident
from touchstream.schemas.metrics import Metric
from touchstream.schemas.times import instant
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.buckets import groups_looked_at
from touchstream.sinks.clickhouse.rolling.store import ROLLED, cuts_of
from touchstream.sinks.clickhouse.sql import query_text

GROUPS_MAX: Final = 2_000
"""Most groups judged by one rule, the first by name: a channel that puts ids into names makes them without bound."""
UNDELIVERED_DAYS: Final = 30
"""Days after which a notification that its destination has not accepted is forgotten."""
_ROWS_MAX: Final = 100_000
_INCIDENTS_MAX: Final = 1_000


_COLUMNS: Final = (
    "topic", "namespace", "rule", "group_key", "tick", "state", "since", "verdict",
    "metric", "window", "condition", "severity", "owner", "summary",
    "value", "n", "low", "high", "baseline", "baseline_n", "baseline_tick", "reason", "mutes", "incident",
)  # fmt: skip


@dataclass(frozen=True)
class Undelivered:
    """A change that a destination has not been told of.

    written_at_ms: when it was found, by ClickHouse's clock. is_newest: whether nothing has happened to the alert since.
    key_before and since_before_ms: of the change before, that of its firing where it is over; empty without one.
    """

    change: AlertRow
    key: str
    written_at_ms: int
    is_newest: bool
    key_before: str = ""
    since_before_ms: int = 0


@dataclass(frozen=True)
class OpenAlert:
    """An alert that fires, as it was when it began to; key and instant of that change, and what became of it.

    outcome: empty where a destination was not told yet. written_at_ms: since 1970, by ClickHouse's clock;
    delivered_at_ms: by that of who sent it.
    """

    change: AlertRow
    key: str
    written_at_ms: int
    outcome: str
    delivered_at_ms: int


@dataclass(frozen=True)
class DeliveryOutcome:
    """That a destination took a notification, or refused it for good (outcome); milliseconds since 1970."""

    destination: str
    outcome: str
    at_ms: int


@dataclass(frozen=True)
class Past:
    """A change of an alert, and who was told; `waiting`: destinations that weren't so far."""

    change: AlertRow
    told: tuple[DeliveryOutcome, ...]
    waiting: tuple[str, ...]


class AlertTables:
    """The tables of a topic's alerts. Blocking; may be used by several threads. Raises ClickHouseError.

    namespace: as it is stored; None: of all namespaces, to be read only.
    """

    def __init__(self, client: Client, topic: str, namespace: str | None = "") -> None:
        self._client, self.topic, self.namespace = client, topic, namespace or ""
        self._namespaces = [] if namespace is None else [namespace]

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = (), most: int = _ROWS_MAX) -> list[AlertRow]:
        """The alerts as they stand, those that changed last first; of all rules and states by default."""
        return self._alerts("alerts", rules=list(rules), states=list(states), most=most)

    def changes(self, from_ms: int = 0, states: Sequence[str] = (), most: int = _ROWS_MAX) -> list[AlertRow]:
        """Changes since a tick, the newest first."""
        return self._alerts("alert_changes", from_ms=from_ms, states=list(states), most=most)

    def incidents(self, from_ms: int = 0, most: int = _INCIDENTS_MAX) -> list[AlertIncident]:
        """Incidents that changed since a tick, each as it stood last, those that changed last first."""
        asked = {"topic": self.topic, "namespaces": self._namespaces, "from_ms": from_ms, "most": most}
        rows = self._client.query(query_text("alert_incidents"), asked).result_rows
        return [msgspec.json.decode(one, type=AlertIncident) for (one,) in rows]

    def history(self, rule: str, group: Group, most: int) -> list[Past]:
        """Every change of one alert of this namespace, the newest first, and who was told of it."""
        asked = {"topic": self.topic, "namespace": self.namespace, "rule": rule, "group_key": list(group.key)}
        past = []
        for row in self._client.query(query_text("alert_history"), asked | {"most": most}).named_results():
            told = tuple(DeliveryOutcome(*one) for one in row["deliveries"])
            reached = {one.destination for one in told}
            past.append(Past(_alert(row), told, tuple(one for one in row["destinations"] if one not in reached)))
        return past

    def undelivered(self, destination: str, most: int, waiting: Sequence[str] = ()) -> list[Undelivered]:
        """The oldest change of each alert that a destination has not been told of; waiting: keys to leave out."""
        parameters = self._told(destination, most)
        rows = self._client.query(query_text("alerts_undelivered"), parameters | {"waiting": list(waiting)})
        return [
            Undelivered(
                _alert(row),
                row["key"],
                int(row["written_at_ms"]),
                bool(row["is_newest"]),
                row["key_before"],
                int(row["since_before_ms"]),
            )
            for row in rows.named_results()
        ]

    def waiting_notifications(self) -> list[tuple[str, int, int]]:
        """By destination how many notifications it hasn't taken, and since when (ms) the oldest of them waits."""
        asked = {"topic": self.topic, "days": UNDELIVERED_DAYS}
        found = self._client.query(query_text("notifications_waiting"), asked).result_rows
        return [(str(destination), int(waiting), int(oldest_ms)) for destination, waiting, oldest_ms in found]

    def open_alerts(self, destination: str, most: int) -> list[OpenAlert]:
        """The alerts that fire, and whether a destination has been told."""
        parameters = self._told(destination, most)
        rows = self._client.query(query_text("alerts_open"), parameters).named_results()
        return [
            OpenAlert(_alert(row), row["key"], int(row["written_at_ms"]), row["outcome"], int(row["delivered_at_ms"]))
            for row in rows
        ]

    def outcomes(self, destination: str, keys: Sequence[str]) -> dict[str, str]:
        """How notifications with these keys ended at a destination; those that have not ended are left out."""
        parameters = {"destination": destination, "keys": list(keys)}
        rows = self._client.query(query_text("deliveries"), parameters).result_rows if keys else ()
        return {str(row[0]): str(row[1]) for row in rows}

    def record_delivery(self, destination: str, key: str, outcome: str, at_ms: int) -> None:
        """Record that a destination accepted a notification, or refused it for good, by the clock of who sent it."""
        row = [destination, key, outcome, instant(at_ms)]
        self._client.insert("alert_deliveries", [row], ["destination", "key", "outcome", "delivered_at"])

    def actions(self, now_ms: int) -> Actions:
        """What people did about alerts. now_ms: the clock, since 1970."""
        return ActionTable(self._client, self.topic).actions(now_ms)

    def cursors(self) -> dict[str, int]:
        """Up to which tick each rule has been judged."""
        parameters = {"topic": self.topic, "namespace": self.namespace}
        rows = self._client.query(query_text("alert_cursors"), parameters).result_rows
        return {rule: int(tick_ms) for rule, tick_ms in rows}

    def record(self, alerts: Iterable[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write alerts, and their changes with the destinations to notify: changes first.

        Interrupted between the two, they are judged and written again, with the same keys.
        """
        changed = [
            [*self._row(change), replace(change, namespace=self.namespace).key(self.topic), list(to)]
            for change, to in changes.items()
        ]
        if changed:
            self._client.insert("alert_changes", changed, [*_COLUMNS, "key", "destinations"])
        rows = [self._row(alert) for alert in alerts]
        if rows:
            self._client.insert("alerts", rows, list(_COLUMNS))

    def record_judged(self, rule: str, tick_ms: int) -> None:
        """A rule has been judged up to a tick. After `record` of all that was found there."""
        row = [self.topic, self.namespace, rule, instant(tick_ms)]
        self._client.insert("alerts_judged", [row], ["topic", "namespace", "rule", "tick"])

    def newest_tick(self, window: str) -> int | None:
        """The newest complete tick of a window."""
        found = self._ticks(window, 0, 1 << 42, 1, newest_only=True)
        return found[0] if found else None

    def ticks(self, window: str, after_ms: int, to_ms: int, most: int) -> list[int]:
        """Complete ticks of a window in (after_ms, to_ms], the oldest first."""
        return self._ticks(window, after_ms, to_ms, most, newest_only=False)

    def waiting(self, after_ms: Mapping[str, int], most: int) -> dict[str, list[int]]:
        """The complete ticks of each window after the time given for it, the oldest first; at most `most` of each."""
        places = {"windows": list(after_ms), "after_ms": list(after_ms.values())}
        rows = self._client.query(
            query_text("alert_waiting"), {"topic": self.topic, "most": most, **places}
        ).result_rows
        found: dict[str, list[int]] = {}
        for window, tick_ms in rows:
            found.setdefault(window, []).append(int(tick_ms))
        return found

    def readings(self, rule: Rule, metric: Metric, ticks: Sequence[int]) -> dict[int, dict[Group, Reading]]:
        """By complete tick what a rule looks at; at most GROUPS_MAX groups a tick."""
        parameters = self._recorded(rule, metric) | {"window": rule.window, "ticks": list(ticks)}
        rows = self._client.query(query_text("alert_readings"), parameters).result_rows
        return _readings(metric, rows)

    def suspects(
        self, rule: Rule, metric: Metric, after_ms: int, to_ms: int, active: Sequence[Group]
    ) -> dict[int, tuple[dict[Group, Reading], bool]]:
        """By tick in (after_ms, to_ms] the rows that can change an alert of a rule with a threshold.

        active: groups that had a breach before, and were not judged to be clear since. With each tick whether all of
        its groups were looked at.
        """
        parameters = self._recorded(rule, metric) | {
            "window": rule.window,
            "after_ms": after_ms,
            "to_ms": to_ms,
            "active": [list(group.key) for group in active],
            "has_n": metric.n is not None,
            "min_n": rule.minimum(metric),
            "below": rule.below is not None,
            "bound": rule.below if rule.below is not None else rule.above,
        }
        rows = self._client.query(query_text("alert_suspects"), parameters).result_rows
        whole = {int(row[0]): row[-1] < GROUPS_MAX for row in rows}
        return {
            tick_ms: (found, whole[tick_ms]) for tick_ms, found in _readings(metric, [row[:-1] for row in rows]).items()
        }

    def recomputed(self, rule: Rule, metric: Metric, window: Window, tick_ms: int) -> dict[Group, Reading]:
        """What a rule would look at at a tick if rolling rows were written now; nothing where it isn't complete."""
        parameters = self._looked_at(rule, metric) | {
            **cuts_of([(window, tick_ms)], [metric.name == "customers"]),
            "windows": [window.name],
            "raw_to": tick_ms,
            "partitions": [],
            "open_ended": False,
        }
        rows = self._client.query(query_text("alert_recomputed", **ROLLED), parameters).result_rows
        return _readings(metric, rows).get(tick_ms, {})

    def _told(self, destination: str, most: int) -> dict[str, Any]:
        names = {"topic": self.topic, "namespace": self.namespace, "destination": destination}
        return names | {"days": UNDELIVERED_DAYS, "most": most}

    def _recorded(self, rule: Rule, metric: Metric) -> dict[str, Any]:
        """As alert_reading.sql takes it; of an instrument any columns will do."""
        looked_at = self._looked_at(rule, metric)
        if metric.instrument is None:
            return looked_at | {"instrument": ""}
        return looked_at | dict.fromkeys(("value", "n", "low", "high"), "touches") | {"instrument": metric.name}

    def _looked_at(self, rule: Rule, metric: Metric) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "value": metric.name,
            # A column that is there; what it says is left out by `_readings`.
            "n": metric.n or "touches",
            "low": f"{metric.name}_low" if metric.interval else metric.name,
            "high": f"{metric.name}_high" if metric.interval else metric.name,
            **groups_looked_at(rule),
            "most": GROUPS_MAX,
        }

    def _ticks(self, window: str, after_ms: int, to_ms: int, most: int, *, newest_only: bool) -> list[int]:
        parameters = {"topic": self.topic, "window": window, "after_ms": after_ms, "to_ms": to_ms}
        rows = self._client.query(
            query_text("alert_ticks"), parameters | {"most": most, "newest_only": newest_only}
        ).result_rows
        return [int(tick_ms) for (tick_ms,) in rows]

    def _alerts(self, query: str, **parameters: Any) -> list[AlertRow]:
        rows = self._client.query(
            query_text(query), {"topic": self.topic, "namespaces": self._namespaces, **parameters}
        ).named_results()
        return [_alert(row) for row in rows]

    def _row(self, alert: AlertRow) -> list[Any]:
        base = alert.baseline
        baseline = (base.value, base.n, instant(base.tick_ms)) if base else (None, None, None)
        instants = (instant(alert.tick_ms), alert.state, instant(alert.since_ms), alert.verdict)
        place = (self.topic, self.namespace, alert.rule, list(alert.group.key))
        said = (
            *astuple(alert.about),
            *astuple(alert.reading),
            *baseline,
            alert.reason,
            list(alert.mutes),
            alert.incident,
        )
        return [*place, *instants, *said]


def _readings(metric: Metric, rows: Iterable[Sequence[Any]]) -> dict[int, dict[Group, Reading]]:
    found: dict[int, dict[Group, Reading]] = {}
    for tick_ms, journey, stage, channel, segment, value, n, low, high in rows:
        bounds = (low, high) if metric.interval else (None, None)
        reading = Reading(value, int(n) if metric.n else None, *bounds)
        found.setdefault(int(tick_ms), {})[Group(journey, stage, channel, segment)] = reading
    return found


def _alert(row: Mapping[str, Any]) -> AlertRow:
    value = row["baseline"]
    return AlertRow(
        rule=row["rule"],
        group=Group(*(row[dimension] for dimension in DIMENSIONS)),
        tick_ms=int(row["tick_ms"]),
        state=row["state"],
        since_ms=int(row["since_ms"]),
        verdict=row["verdict"],
        about=About(*(row[name] for name in ("metric", "window", "condition", "severity", "owner", "summary"))),
        reading=Reading(row["value"], row["n"], row["low"], row["high"]),
        baseline=None if value is None else Baseline(value, row["baseline_n"], int(row["baseline_tick_ms"])),
        namespace=row["namespace"],
        reason=row["reason"],
        mutes=tuple(row["mutes"]),
        incident=row["incident"],
    )
