"""Rolling rows equal the exact metrics of their interval once they are complete; Roll, its gauges and its topic."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import unquote

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tests.integration.test_clickhouse_metrics import assert_equal, publish, write
from tests.support.asyncapi import SCHEMAS, wrong
from tests.support.clickhouse_rows import HOUR_MS, Row, lane, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas import times
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.windows import BY_NAME, WINDOWS, Window
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.series import SILENCE_TOUCHES
from touchstream.sinks.clickhouse.rolling.store import rolling_at, write_rolling
from touchstream.sinks.prometheus import PREFIX, RollingGauges
from touchstream.streams.rolling.outlet import Complete
from touchstream.streams.rolling.publish import message
from touchstream.streams.rolling.roll import GAUGED, Roll

ALL = None


pytestmark = pytest.mark.stack

TOPIC = "touchpoints"
TICK_MS = times.now_ms() // HOUR_MS * HOUR_MS
"""A tick of every window; of now, for rolling rows have an age limit."""
SETS = (("journey",), ("journey", "stage"), ("journey", "stage", "channel"), ("journey", "stage", "segment"),
        ("journey", "stage", "channel", "segment"))  # fmt: skip
LONGEST_MS = WINDOWS[-1].length_ms
AGES_MS = (
    1, 9_999, 10_000, 59_999, 60_000, 60_001, 300_000, 300_001, 899_000, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 5 * HOUR_MS,
    24 * HOUR_MS, 24 * HOUR_MS + 1, 7 * 24 * HOUR_MS, LONGEST_MS - 1, LONGEST_MS, LONGEST_MS + 1, 0, -1, -HOUR_MS,
)  # fmt: skip
EVENTS = st.builds(
    touchpoint,
    occurred_at=st.sampled_from(AGES_MS).map(lambda age: TICK_MS - age),
    customer_id=st.sampled_from(["ann", "bob", ""]),
    anonymous_id=st.sampled_from(["ann", "eve"]),
    journey=st.sampled_from(["customer", "partner"]),
    stage=st.sampled_from(["use", "support"]),
    channel=st.sampled_from(["web", "shop"]),
    touchpoint=st.sampled_from(["page", "desk"]),
    segment=st.sampled_from(["", "new"]),
    partition=st.integers(0, 1),
    action=st.sampled_from(["contact", "purchase"]),
    outcome=st.sampled_from(["", "success", "failure", "abandoned"]),
    late=st.booleans(),
    duration_ms=st.sampled_from([None, 0, 1, 999, 10**9]),
    nps=st.sampled_from([None, 0, 6, 7, 9, 10]),
    csat=st.sampled_from([None, 1, 3, 4, 5]),
    ces=st.sampled_from([None, 1, 4, 5, 7]),
    sentiment_micro=st.sampled_from([None, -1_000_000, 333_333]),
    revenue_minor=st.sampled_from([None, 0, -5, 1_999]),
    currency=st.sampled_from(["EUR", "GBP"]),
)
NOT_COMPARED = {
    "window",
    "tick",
    "journey",
    "stage",
    "channel",
    "segment",
    "customers",
    "other",
    "other_names",
    "design_effects",
}
numbers = count()


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def groups(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The names by which a rolling row is grouped."""
    return tuple(name for name in SETS[-1] if row[name] != ALL)


def exact(client: Client, window: Window, tick_ms: int) -> dict[tuple[str | None, ...], Row]:
    """The exact metrics of the window's interval, by the group as a rolling row has it."""
    found = {}
    for by in SETS:
        for row in metrics(client, tick_ms - window.length_ms, tick_ms, by):
            found[tuple(row.get(name, ALL) for name in SETS[-1])] = row
    return found


@pytest.mark.long
@settings(
    max_examples=3,  # each is seven windows in five groupings
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(EVENTS, min_size=30, max_size=80))
def test_complete_rolling_rows_equal_the_exact_metrics_of_their_interval_for_every_window(
    client: Client, drawn: list[Row]
) -> None:
    for name in ("touchpoints", "stage_panes", "lanes", "stage_metrics"):
        client.command("TRUNCATE TABLE {name:Identifier}", {"name": name})
    log = f"log-{next(numbers)}"
    publish(client, [row | {"log_offset": number, "log_id": log} for number, row in enumerate(drawn)])
    write(client, lanes=[lane(partition=number, log_id=log, watermark=TICK_MS) for number in (0, 1)])
    # Together, and with others that must not mix with them.
    write_rolling(client, TOPIC, [(window, TICK_MS - back * window.step_ms) for window in WINDOWS for back in (0, 1)])
    for window in WINDOWS:
        rows = rolling_at(client, TOPIC, window, TICK_MS)
        assert {row["completeness"] for row in rows} <= {1.0}
        expected = exact(client, window, TICK_MS)
        rolling = {tuple(row[name] for name in SETS[-1]): row for row in rows}
        # What was heard of within a week and is silent now has a row that says so; the exact metrics have none.
        assert expected.keys() == {group for group, row in rolling.items() if row["touches"]}
        for group, row in expected.items():
            assert_equal(row, {name: value for name, value in rolling[group].items() if name not in NOT_COMPARED})
            assert rolling[group]["customers"] in ((row["customers"],) if window.length_ms <= HOUR_MS else (None,))


def test_messages_of_the_topic_are_as_the_document_describes_them(client: Client) -> None:
    answered = touchpoint(
        1, occurred_at=TICK_MS - 1, nps=10, csat=5, ces=7, duration_ms=9, revenue_minor=5, currency="EUR"
    )
    at_noon(client, answered, touchpoint(2, occurred_at=TICK_MS - 2 * HOUR_MS, stage="odd|name%"))
    for window in WINDOWS:
        write_rolling(client, TOPIC, [(window, TICK_MS)])
        for row in rolling_at(client, TOPIC, window, TICK_MS):
            key, value = message(TOPIC, row)
            assert wrong(SCHEMAS["stageMetrics"], json.loads(value)) == []
            assert [unquote(part) for part in key.decode().split("|")] == [
                TOPIC,
                window.name,
                *(f"{name}={row[name]}" for name in SETS[-1] if row[name] is not None),
            ]


NAMES = [
    "*",
    "**",
    "",
    "other",
    "all",
    "undeclared",
    "none",
    "NULL",
    "\\N",
    "journey",
    "a|b=c",
    "[]",
    "', '",
    "🧑‍🚀\u202e",
]


def test_a_name_is_itself_everywhere_and_changes_nothing_that_is_together(client: Client) -> None:
    """Three events of a channel called `*` had turned an NPS of +98 into −100."""
    plain = [touchpoint(number, occurred_at=TICK_MS - 1, nps=10) for number in range(100)]
    at_noon(client, *plain)
    write_rolling(client, TOPIC, [(BY_NAME["1h"], TICK_MS)])
    before = {group_of(row): row for row in rolling_at(client, TOPIC, BY_NAME["1h"], TICK_MS)}
    odd = {
        (dimension, name): touchpoint(
            200 + number, occurred_at=TICK_MS - 1, nps=0, journey="odd", **({dimension: name} if name else {})
        )
        for number, (dimension, name) in enumerate(
            (dimension, name) for dimension in ("stage", "channel", "segment") for name in NAMES
        )
    }
    publish(client, [*odd.values(), touchpoint(999, occurred_at=TICK_MS - 1, nps=0, journey="*")])
    write_rolling(client, TOPIC, [(BY_NAME["1h"], TICK_MS)])
    rows = {group_of(row): row for row in rolling_at(client, TOPIC, BY_NAME["1h"], TICK_MS)}
    assert {group: rows[group] for group in before} == before
    assert rows["odd", None, None, None]["touches"] == len(odd)
    assert rows["*", None, None, None]["touches"] == 1
    for (dimension, name), event in odd.items():
        place = {"stage": event["stage"], "channel": None, "segment": None} | ({dimension: name} if name else {})
        row = rows["odd", place["stage"], place["channel"], place["segment"]]
        assert (row["touches"] == 1) == bool(name), (dimension, name)
    tick = live.LiveTick(TOPIC, BY_NAME["1h"], TICK_MS, "odd")
    stages = live.stages(client, tick, "*", None, [], 30)
    assert [(row["stage"], row["channel"], row["touches"]) for row in stages.rows] == [("use", "*", 1)]
    assert {*live.names(client, tick, 50)["channel"].shown} == {*filter(None, NAMES), "web"}
    whole = live.stages(client, tick, None, None, ["*"], 50).rows
    assert [(row["stage"], row["touches"]) for row in whole[:2]] == [(None, len(odd)), ("*", 1)]


def group_of(row: Row) -> tuple[str | None, ...]:
    return tuple(row[name] for name in SETS[-1])


def roll(
    client: Client, partitions: int = 1, completed: Callable[[Complete], None] = lambda _: None
) -> tuple[Roll, CollectorRegistry]:
    gauges, registry = RollingGauges(Catalogue.load()), CollectorRegistry()
    registry.register(gauges)
    return Roll(client, TOPIC, partitions, gauges, completed=completed), registry


def at_noon(client: Client, *events: Row) -> None:
    publish(client, list(events) or [touchpoint(occurred_at=TICK_MS - 1)])
    write(client, lanes=[lane(watermark=TICK_MS)])


def test_windows_that_every_lane_has_passed_are_for_the_topic_each_once(client: Client) -> None:
    at_noon(client)
    completed: list[Complete] = []
    leader, _ = roll(client, completed=completed.append)
    leader.step(TICK_MS + 60_000)
    assert completed == [(window, TICK_MS) for window in WINDOWS]
    leader.step(TICK_MS + 61_000)
    assert len(completed) == len(WINDOWS)


def test_windows_that_became_complete_while_nobody_led_are_written_by_the_next_leader_in_order(client: Client) -> None:
    at_noon(client)
    shortest = WINDOWS[0]
    roll(client)[0].step(TICK_MS + 60_000)
    write(client, lanes=[lane(watermark=TICK_MS + 60_000, next_offset=2)])
    completed: list[Complete] = []
    leader, _ = roll(client, completed=completed.append)
    for second in range(4):
        leader.step(TICK_MS + 61_000 + 1000 * second)
    ticks = [tick for window, tick in completed if window == shortest]
    assert ticks == [TICK_MS + shortest.step_ms * number for number in range(1, 7)]


def test_customers_of_a_window_with_too_many_touches_are_left_out_until_it_has_fewer(client: Client) -> None:
    people = SILENCE_TOUCHES  # as many as it takes for their silence to have a row
    few, many = (replace(window, counted_max=most) for window, most in zip(WINDOWS, (people - 1, people), strict=False))
    touched = (touchpoint(number, occurred_at=TICK_MS - 1, customer_id=f"c{number}") for number in range(people))
    at_noon(client, *touched)
    gauges = RollingGauges(Catalogue.load())
    leader = Roll(client, TOPIC, 1, gauges, (few, many))
    said = []
    for now_ms in (TICK_MS - 9_000, TICK_MS - 3_000, TICK_MS + 600_000, TICK_MS + 606_000):
        leader.step(now_ms)
        windows = {window.name: rolling_at(client, TOPIC, window, window.live_tick(now_ms)) for window in (few, many)}
        said.append({name: {row["customers"] for row in rows} for name, rows in windows.items()})
    # A leader knows only what the rows before its own say.
    assert said == [
        {few.name: {people}, many.name: {people}},
        {few.name: {None}, many.name: {people}},
        {few.name: {None}, many.name: {0}},
        {few.name: {0}, many.name: {0}},
    ]


def test_nothing_is_written_before_a_lane_has_read_anything(client: Client) -> None:
    write(client, lanes=[lane(next_offset=0, watermark=0)])
    leader, _ = roll(client)
    assert leader.step(TICK_MS) == 0
    write(client, lanes=[lane(next_offset=1)])
    assert leader.step(TICK_MS + 1_000) > 0


def test_lanes_are_behind_only_where_one_has_moved_since_the_last_step(client: Client) -> None:
    at_noon(client)
    write(client, lanes=[lane(next_offset=2, lane_clock=TICK_MS)])
    leader, _ = roll(client)
    behind = []
    for now_ms in (TICK_MS + 4_000, TICK_MS + 5_000):
        leader.step(now_ms)
        behind.append(leader.behind_seconds)
    assert behind == [4.0, 0.0]


def test_nothing_is_complete_while_a_lane_has_seen_nothing(client: Client) -> None:
    at_noon(client)
    completed: list[Complete] = []
    leader, _ = roll(client, partitions=2, completed=completed.append)
    leader.step(TICK_MS + 60_000)
    assert completed == []


def test_the_leader_shows_gauges_of_its_live_windows_and_none_once_it_rests(client: Client) -> None:
    at_noon(client, touchpoint(occurred_at=TICK_MS - 1, nps=10))
    leader, registry = roll(client)
    leader.step(TICK_MS)

    def shown(name: str, window: str) -> float | None:
        return registry.get_sample_value(
            PREFIX + name, {"by": "journey,stage", "journey": "default", "stage": "use", "window": window}
        )

    assert [(shown("nps", window), shown("nps_n", window)) for window in GAUGED] == [(100.0, 1.0)] * len(GAUGED)
    assert shown("touches", "1m") is None
    leader.rest()
    assert [sample for family in registry.collect() for sample in family.samples] == []


def test_rows_of_a_tick_are_those_of_that_tick_and_topic(client: Client) -> None:
    at_noon(client)
    window = WINDOWS[0]
    for tick_ms in (TICK_MS, TICK_MS + window.step_ms):
        write_rolling(client, TOPIC, [(window, tick_ms)])
    assert {row["touches"] for row in rolling_at(client, TOPIC, window, TICK_MS)} == {1}
    totals: Sequence[Row] = rolling_at(client, TOPIC, window, TICK_MS, totals_only=True)
    assert {groups(row) for row in totals} == {("journey",), ("journey", "stage")}
    assert rolling_at(client, "another", window, TICK_MS) == []
