"""Alerts over rolling rows in a real ClickHouse: judged once and in order, whatever dies, and rehearsed."""

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.alert_rows import (
    ALL,
    CATALOGUE,
    CSAT_LOW,
    INCIDENT,
    NPS_DROP,
    START_MS,
    STEP_MS,
    Died,
    at,
    changes,
    empty_alert_tables,
    incident,
    row,
    rules,
    step_through,
    support,
    watch,
    write_ticks,
)
from tests.support.clickhouse_rows import lane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import rolling
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.rolling.store import write_rolling
from touchstream.streams.watch.judge import FIRING, OK, PENDING, RESOLVED
from touchstream.streams.watch.rehearsal import Rehearsal, RehearsalError

pytestmark = pytest.mark.stack

SUPPORT = Group("customer", "support", ALL, ALL)


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def client(database: Client) -> Client:
    empty_alert_tables(database)
    return database


@pytest.fixture
def tables(client: Client) -> AlertTables:
    return AlertTables(client, "touchpoints")


STORY = [(at(2), PENDING), (at(4), FIRING), (at(6), RESOLVED)]


def test_an_alert_is_pending_fires_and_is_resolved_in_event_time(client: Client, tables: AlertTables) -> None:
    step_through(tables, client)
    assert changes(tables) == STORY
    (alert,) = tables.alerts()
    assert (alert.group, alert.state, alert.since_ms, alert.tick_ms) == (SUPPORT, RESOLVED, at(6), at(7))
    assert (alert.reading.value, alert.reading.n, alert.reading.low) == (85.0, 200, 75.5)


def test_a_watch_in_each_step_says_the_same_as_one_for_all(client: Client, tables: AlertTables) -> None:
    write_ticks(client, [(0, [support(csat=85.0)])])
    watch(tables, rules(CSAT_LOW)).step()
    for n, value in enumerate(INCIDENT, 1):
        incident(client, n, [value])
        assert watch(tables, rules(CSAT_LOW)).step() == 1
        assert watch(tables, rules(CSAT_LOW)).step() == 0
    assert changes(tables) == STORY


def test_windows_that_became_complete_without_a_watch_are_judged_later(client: Client, tables: AlertTables) -> None:
    write_ticks(client, [(0, [support(csat=85.0)])])
    watch(tables, rules(CSAT_LOW)).step()
    incident(client, csat=INCIDENT * 10)
    judging = watch(tables, rules(CSAT_LOW))
    while judging.step():
        pass
    assert len(changes(tables)) == 3 * 10
    assert tables.cursors() == {"csat_low": at(70)}
    assert all(one < other for one, other in pairwise(tick for tick, _ in changes(tables)))


def test_incomplete_windows_are_not_judged(client: Client, tables: AlertTables) -> None:
    write_ticks(client, [(0, [support(csat=85.0)])])
    judging = watch(tables, rules(CSAT_LOW))
    judging.step()
    write_ticks(client, [(n, [support(csat=1.0)]) for n in range(1, 9)], completeness=0.75)
    assert judging.step() == 0
    assert changes(tables) == []


def test_a_new_rule_begins_with_the_newest_window(client: Client, tables: AlertTables) -> None:
    incident(client)
    judging = watch(tables, rules(CSAT_LOW))
    assert judging.step() == 1
    assert tables.cursors() == {"csat_low": at(7)}
    assert changes(tables) == []


class DyingTables(AlertTables):
    """Dies after so many writes."""

    writes_left = 10**9

    def record_judged(self, rule: str, tick_ms: int) -> None:
        self._live()
        super().record_judged(rule, tick_ms)

    def record(self, alerts: list[AlertRow], changes: dict[AlertRow, tuple[str, ...]]) -> None:  # type: ignore[override]
        self._live()
        super().record([], changes)
        self._live()
        super().record(alerts, {})

    def _live(self) -> None:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise Died


@pytest.mark.parametrize("writes", range(4))
def test_a_crash_between_two_writes_changes_nothing_of_the_story(client: Client, writes: int) -> None:
    tables = DyingTables(client, "touchpoints")
    write_ticks(client, [(0, [support(csat=85.0)])])
    watch(tables, rules(CSAT_LOW)).step()
    incident(client)
    tables.writes_left = writes
    if writes < 3:
        with pytest.raises(Died):
            watch(tables, rules(CSAT_LOW)).step()
    tables.writes_left = 100
    watch(tables, rules(CSAT_LOW)).step()
    assert changes(tables) == STORY
    assert [one.change.tick_ms for one in tables.undelivered("webhook", 100)] == [at(4)]


def test_two_watchers_for_a_moment_write_the_same_story(client: Client, tables: AlertTables) -> None:
    write_ticks(client, [(0, [support(csat=85.0)])])
    watch(tables, rules(CSAT_LOW)).step()
    incident(client)
    together = threading.Barrier(2)

    def step() -> None:
        judging = watch(tables, rules(CSAT_LOW))
        together.wait()
        judging.step()

    threads = [threading.Thread(target=step) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert changes(tables) == STORY
    assert len(tables.undelivered("webhook", 100)) == 1


def test_a_drop_is_held_against_what_was_before_it(client: Client, tables: AlertTables) -> None:
    """Twelve ticks of a lower NPS: six ticks after its beginning the window before has dropped, too."""
    write_ticks(client, [(tick, [support(nps=40.0)]) for tick in range(-6, 1)])
    judging = watch(tables, rules(NPS_DROP))
    judging.step()
    write_ticks(client, [(tick, [support(nps=20.0)]) for tick in range(1, 13)])
    write_ticks(client, [(13, [support(nps=35.0)])])
    judging.step()
    assert changes(tables) == [(at(1), FIRING), (at(13), RESOLVED)]
    fired = tables.changes()[1]
    assert fired.baseline is not None
    assert (fired.baseline.value, fired.baseline.tick_ms) == (40.0, at(-5))


def test_each_stage_and_channel_has_an_alert_of_its_own(client: Client, tables: AlertTables) -> None:
    low = "summary: x, metric: csat, window: 1m, below: 60, min_n: 50"
    wanted = rules(
        f"{{name: low, {low}, each: [stage, channel]}}",
        f"{{name: chat, {low}, where: {{stage: support, channel: chat}}}}",
    )
    write_ticks(
        client,
        [
            (0, [
                row(ALL, csat=1.0), row("support", csat=1.0), row("support", "chat", csat=55.0),
                row("support", "web", csat=65.0), row("use", "web", csat=50.0), row("use", "web", "business", csat=1.0),
            ])
        ],
    )  # fmt: skip
    watch(tables, wanted).step()
    firing = {(alert.rule, alert.group.stage, alert.group.channel) for alert in tables.alerts(states=[FIRING])}
    assert firing == {("low", "support", "chat"), ("low", "use", "web"), ("chat", "support", "chat")}
    assert {(alert.group.channel, alert.state) for alert in tables.alerts(rules=["low"])} >= {("web", OK)}


def test_an_alert_whose_rule_was_removed_is_resolved_and_told(client: Client, tables: AlertTables) -> None:
    step_through(tables, client, INCIDENT[:4])
    assert [alert.state for alert in tables.alerts()] == [FIRING]
    watch(tables, rules(NPS_DROP)).step()
    assert [(alert.state, alert.verdict) for alert in tables.alerts()][:1] == [(RESOLVED, "retired")]
    (first,) = tables.undelivered("webhook", 9)
    assert (first.change.state, first.is_newest) == (FIRING, False)
    tables.record_delivery("webhook", first.key, "delivered", at(9))
    (second,) = tables.undelivered("webhook", 9)
    assert (second.change.state, second.is_newest) == (RESOLVED, True)


def test_a_rehearsal_over_recorded_rows_says_what_the_watch_said(client: Client, tables: AlertTables) -> None:
    write_ticks(client, [(0, [support(csat=85.0)])])
    incident(client)
    rehearsal = Rehearsal(tables, rules(CSAT_LOW), CATALOGUE, at(-1), at(7), as_known_now=False)
    assert [(change.tick_ms, change.state) for change in rehearsal.changes()] == STORY
    assert tables.alerts() == []
    assert rehearsal.ticks == 8


def test_rules_may_name_every_metric_that_has_rolling_rows(client: Client) -> None:
    columns = {name for name, *_ in client.query("DESCRIBE TABLE stage_metrics").result_rows}
    measured = {name for name in CATALOGUE.metrics if name in columns}
    assert measured - {"revenue_minor_by_currency", "completeness"} == rolling()


def test_every_metric_that_rules_may_name_can_be_read(tables: AlertTables, client: Client) -> None:
    write_ticks(client, [(0, [support()])])
    for name in sorted(rolling()):
        (rule,) = rules(
            f"{{name: one, summary: x, metric: {name}, window: 1m, where: {{stage: support}}, above: 0}}"
        ).rules
        (recorded,) = tables.readings(rule, CATALOGUE.metrics[name], [at(0)]).values()
        assert recorded.keys() == {SUPPORT}
        assert tables.recomputed(rule, CATALOGUE.metrics[name], BY_NAME["1m"], at(0)) == {}


def test_recomputed_windows_are_those_that_were_recorded_and_what_came_late(
    client: Client, tables: AlertTables
) -> None:
    window = BY_NAME["1m"]
    then = {"occurred_at": START_MS, "record_at": START_MS, "lane_clock": START_MS}
    events = [
        touchpoint(n, **then, event_id=f"e{n}", stage="support", csat=1 + n % 5, customer_id=f"c{n}") for n in range(60)
    ]
    client.insert_arrow("stage_panes", table("stage_panes", panes_of(events)))
    client.insert_arrow("touchpoints", table("touchpoints", events))
    client.insert_arrow("lanes", table("lanes", [lane(watermark=START_MS + 600_000)]))
    ticks = [START_MS + n * STEP_MS for n in range(12)]
    for tick in ticks:
        write_rolling(client, "touchpoints", [(window, tick)])
    for name in ("csat", "nps", "touches", "customers"):
        (rule,) = rules(
            f"{{name: one, summary: x, metric: {name}, window: 1m, each: [stage, channel], above: 0}}"
        ).rules
        recorded = tables.readings(rule, CATALOGUE.metrics[name], ticks)
        found = {tick: tables.recomputed(rule, CATALOGUE.metrics[name], window, tick) for tick in ticks}
        assert recorded == {tick: groups for tick, groups in found.items() if groups}
        assert recorded[START_MS + STEP_MS].keys() == {Group("default", "support", "web", ALL)}
    late = [touchpoint(n, **then, event_id=f"e{n}", stage="support", csat=1) for n in range(60, 160)]
    client.insert_arrow("stage_panes", table("stage_panes", panes_of([*events, *late])))
    low = rules("{name: low, summary: x, metric: csat, window: 1m, each: [stage], below: 30, min_n: 10}")
    said = [
        Rehearsal(tables, low, CATALOGUE, ticks[0], ticks[-1], as_known_now=known_now).changes()
        for known_now in (False, True)
    ]
    assert said[0] == []
    assert [(change.tick_ms, change.state, change.reading.n) for change in said[1]] == [(ticks[1], FIRING, 160)]


@pytest.mark.parametrize(("to", "text"), [(-1, "before --to"), (40_000, "more than 20,000 windows")])
def test_an_interval_that_cannot_be_rehearsed_is_refused(tables: AlertTables, to: int, text: str) -> None:
    with pytest.raises(RehearsalError, match=text):
        Rehearsal(tables, rules(CSAT_LOW), CATALOGUE, at(0), at(to), as_known_now=True)
