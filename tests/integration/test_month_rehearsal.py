"""A rehearsal of thresholds reads only what can change an alert, and says what judging every window says."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.alert_rows import CATALOGUE, START_MS, STEP_MS, at, empty_alert_tables, row, rules, write_ticks
from tests.support.databases import migrated_database
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import Rule
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.streams.watch.judge import GONE, judge
from touchstream.streams.watch.rehearsal import TICKS_MAX, Rehearsal, RehearsalError
from touchstream.streams.watch.watch import ticks_of

pytestmark = pytest.mark.stack

_DAY_MS = 86_400_000
FIRST = (START_MS // _DAY_MS * _DAY_MS - START_MS) // STEP_MS - 200
"""Ticks on both sides of midnight: days are read one by one."""
TICKS = range(FIRST, FIRST + 400)
CSAT = "{name: low, summary: x, metric: csat, window: 1m, each: [stage], below: 60, min_n: 50"


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[AlertTables]:
    """Stages that come and go, with runs of good and bad values, with few answers, and with none."""
    rng = np.random.default_rng(20_261_130)
    with migrated_database(clickhouse_url) as client:
        empty_alert_tables(client)
        ticks = []
        kinds = dict.fromkeys(("a", "b", "c", "d"), 0)
        for tick in TICKS:
            rows = [row("always", csat=80.0, csat_n=90)]
            for stage in kinds:
                if rng.random() < 0.3:
                    kinds[stage] = int(rng.integers(5))
                value = {0: 80.0, 1: 40.0, 2: 40.0, 3: None}.get(kinds[stage])
                if kinds[stage] < 4:
                    n = 10 if kinds[stage] == 2 else 90
                    rows.append(row(stage, csat=value, csat_n=n, nps=None if value is None else value - 60, touches=n))
            ticks.append((tick, rows))
        write_ticks(client, ticks)
        yield AlertTables(client, "touchpoints")


def judged_one_by_one(tables: AlertTables, rule: Rule) -> list[AlertRow]:
    metric = CATALOGUE.metrics[rule.metric]
    alerts: dict[Group, AlertRow] = {}
    changes: list[AlertRow] = []
    for tick in ticks_of(tables, rule, metric, [at(tick) for tick in TICKS]):
        found = judge(rule, metric, alerts, tick)
        alerts |= {alert.group: alert for alert in found.alerts}
        changes += found.changes
    return sorted(changes, key=lambda one: (one.tick_ms, one.rule, one.group.key))


@pytest.mark.parametrize(
    "rule",
    [
        CSAT,
        CSAT + ", for: 20s",
        CSAT.replace("min_n: 50", "min_n: 0, for: 1m"),
        CSAT.replace("csat", "touches").replace("below: 60, min_n: 50", "above: 50"),
        CSAT.replace("csat", "nps").replace("below: 60, min_n: 50", "below: 0, min_n: 0, where: {journey: customer}"),
    ],
)
def test_a_rehearsal_of_a_threshold_says_what_judging_every_window_says(tables: AlertTables, rule: str) -> None:
    wanted = rules(f"{rule}}}")
    found = Rehearsal(tables, wanted, CATALOGUE, at(FIRST - 1), at(TICKS[-1]), as_known_now=False).changes()
    expected = judged_one_by_one(tables, wanted.rules[0])
    assert found == expected
    assert len(found) > 20
    assert any(change.verdict == GONE for change in found)


def test_more_windows_than_are_judged_one_by_one_are_rehearsed_for_thresholds_only(
    tables: AlertTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("touchstream.streams.watch.rehearsal.TICKS_MAX", len(TICKS) - 1)
    assert len(TICKS) <= TICKS_MAX
    span = at(FIRST - 1), at(TICKS[-1])
    low, fell = rules(f"{CSAT}}}"), rules(CSAT.replace("below: 60", "drop: {points: 5}") + "}")
    assert Rehearsal(tables, low, CATALOGUE, *span, as_known_now=False).ticks == len(TICKS)
    for wanted, as_known_now in ((low, True), (fell, False)):
        with pytest.raises(RehearsalError, match="more than"):
            Rehearsal(tables, wanted, CATALOGUE, *span, as_known_now=as_known_now)
