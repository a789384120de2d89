"""A rule with a threshold over weeks of windows: only the rows that can change an alert are read and judged.

A group that is ok or resolved stays so until a breach. So a row matters if it is one, or comes behind one before the
next row that is judged and none; and where a group is missing then. The tables pick these rows, and they are judged as
`watch` judges all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, Protocol

from touchstream.schemas.alert_state import AlertRow, Group, Reading
from touchstream.schemas.alerts import Rule
from touchstream.schemas.metrics import Metric
from touchstream.schemas.windows import BY_NAME
from touchstream.streams.watch.judge import ACTIVE, Tick, judge

_DAY_MS: Final = 86_400_000


class SuspectStore(Protocol):
    """What is read: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def suspects(
        self, rule: Rule, metric: Metric, after_ms: int, to_ms: int, active: Sequence[Group]
    ) -> Mapping[int, tuple[Mapping[Group, Reading], bool]]:
        """By tick the rows that can change an alert, and whether the tick has no other groups than were looked at."""


def threshold_changes(
    tables: SuspectStore, rule: Rule, metric: Metric, ticks: Sequence[int], progress: Callable[[int], None]
) -> Iterator[AlertRow]:
    """Every change of a rule with a threshold over complete ticks in order, as if each had been judged."""
    alerts: dict[Group, AlertRow] = {}
    for _, days in groupby(ticks, lambda tick_ms: tick_ms // _DAY_MS):
        span = list(days)
        active = [group for group, alert in alerts.items() if alert.state in ACTIVE]
        found = tables.suspects(rule, metric, span[0] - 1, span[-1], active)
        for tick_ms in span:
            readings, whole = found.get(tick_ms, ({}, True))
            if readings or any(alert.state in ACTIVE for alert in alerts.values()):
                before_ms = tick_ms - BY_NAME[rule.window].length_ms
                judged = judge(rule, metric, alerts, Tick(tick_ms, before_ms, readings, {}, whole))
                alerts |= {alert.group: alert for alert in judged.alerts}
                yield from judged.changes
        progress(len(span))
