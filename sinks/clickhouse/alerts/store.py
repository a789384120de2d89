"""Alerts in ClickHouse: their state, changes and notifications, and the rolling rows they are judged by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import DIMENSIONS, Rule
from touchstream.schemas.metrics import Metric
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.rolling.store import cuts_of
from touchstream.sinks.clickhouse.sql import query_text

GROUPS_MAX: Final = 2_000
"""Most groups judged by one rule, the first by name: a channel that puts ids into names makes them without bound."""
UNDELIVERED_DAYS: Final = 30
"""Days after which a notification that its destination has not accepted is given up."""
_ROWS_MAX: Final = 100_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_COLUMNS: Final = (
    "topic", "rule", "group_key", "tick", "state", "since", "verdict",
    "metric", "window", "condition", "severity", "owner", "summary",
    "value", "n", "low", "high", "baseline", "baseline_n", "baseline_tick",
)  # fmt: skip


class AlertTables:
    """The tables of one topic's alerts. Blocking; may be used by several threads. Raises ClickHouseError."""

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self.topic = client, topic

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = (), most: int = _ROWS_MAX) -> list[AlertRow]:
        """The alerts as they stand, those that changed last first; of all rules and states by default."""
        return self._alerts("alerts", rules=list(rules), states=list(states), most=most)

    def changes(self, from_ms: int = 0, states: Sequence[str] = (), most: int = _ROWS_MAX) -> list[AlertRow]:
        """Changes since a tick, the newest first."""
        return self._alerts("alert_changes", from_ms=from_ms, states=list(states), most=most)

    def undelivered(self, destination: str, most: int) -> list[AlertRow]:
        """Changes that a destination is to be told of and has not been, the oldest first."""
        return self._alerts("alerts_undelivered", destination=destination, days=UNDELIVERED_DAYS, most=most)

    def record_delivery(self, destination: str, key: str, outcome: str) -> None:
        """Record that a destination accepted a notification, or refused it for good."""
        self._client.insert("alert_deliveries", [[destination, key, outcome]], ["destination", "key", "outcome"])

    def cursors(self) -> dict[str, int]:
        """Up to which tick each rule has been judged."""
        rows = self._client.query(query_text("alert_cursors"), {"topic": self.topic}).result_rows
        return {rule: int(tick_ms) for rule, tick_ms in rows}

    def record(self, alerts: Iterable[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write alerts, and their changes with the destinations to notify: changes first.

        Interrupted between the two, they are judged and written again, with the same keys.
        """
        changed = [[*self._row(change), change.key(self.topic), list(to)] for change, to in changes.items()]
        if changed:
            self._client.insert("alert_changes", changed, [*_COLUMNS, "key", "destinations"])
        rows = [self._row(alert) for alert in alerts]
        if rows:
            self._client.insert("alerts", rows, list(_COLUMNS))

    def record_judged(self, rule: str, tick_ms: int) -> None:
        """A rule has been judged up to a tick. After `record` of all that was found there."""
        self._client.insert("alerts_judged", [[self.topic, rule, _instant(tick_ms)]], ["topic", "rule", "tick"])

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
        parameters = self._looked_at(rule, metric) | {"window": rule.window, "ticks": list(ticks)}
        rows = self._client.query(query_text("alert_readings"), parameters).result_rows
        return _readings(metric, rows)

    def recomputed(self, rule: Rule, metric: Metric, window: Window, tick_ms: int) -> dict[Group, Reading]:
        """What a rule would look at at a tick if rolling rows were written now; nothing where it isn't complete."""
        parameters = self._looked_at(rule, metric) | {
            **cuts_of([(window, tick_ms)], [metric.name == "customers"]),
            "windows": [window.name],
            "raw_to": tick_ms,
            "partitions": [],
            "open_ended": False,
        }
        rows = self._client.query(query_text("alert_recomputed", pane_sums="rolling_sums"), parameters).result_rows
        return _readings(metric, rows).get(tick_ms, {})

    def _looked_at(self, rule: Rule, metric: Metric) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "value": metric.name,
            # A column that is there; what it says is left out by `_readings`.
            "n": metric.n or "touches",
            "low": f"{metric.name}_low" if metric.interval else metric.name,
            "high": f"{metric.name}_high" if metric.interval else metric.name,
            "places": [[name] if (name := rule.where.name(one)) is not None else [] for one in DIMENSIONS],
            "each": [rule.is_each(dimension) for dimension in DIMENSIONS],
            "most": GROUPS_MAX,
        }

    def _ticks(self, window: str, after_ms: int, to_ms: int, most: int, *, newest_only: bool) -> list[int]:
        parameters = {"topic": self.topic, "window": window, "after_ms": after_ms, "to_ms": to_ms}
        rows = self._client.query(
            query_text("alert_ticks"), parameters | {"most": most, "newest_only": newest_only}
        ).result_rows
        return [int(tick_ms) for (tick_ms,) in rows]

    def _alerts(self, query: str, **parameters: Any) -> list[AlertRow]:
        rows = self._client.query(query_text(query), {"topic": self.topic, **parameters}).named_results()
        return [_alert(row) for row in rows]

    def _row(self, alert: AlertRow) -> list[Any]:
        base = alert.baseline
        baseline = (base.value, base.n, _instant(base.tick_ms)) if base else (None, None, None)
        instants = (_instant(alert.tick_ms), alert.state, _instant(alert.since_ms), alert.verdict)
        place = (self.topic, alert.rule, list(alert.group.key))
        return [*place, *instants, *astuple(alert.about), *astuple(alert.reading), *baseline]


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
    )


def _instant(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)
