"""Rolling rows are bounded whatever names arrive: who has rows of its own, and that nothing is lost to the sums."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from tests.integration.test_clickhouse_metrics import publish, write
from tests.support.clickhouse_rows import HOUR_MS, Row, lane, pane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas import times
from touchstream.schemas.alerts import Rules
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.paths import stage_paths
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import record_stages
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.series import KINDS, SILENCE_TOUCHES, Decided, decide_series
from touchstream.sinks.clickhouse.rolling.store import rolling_at, write_rolling
from touchstream.sinks.prometheus import RollingGauges
from touchstream.streams.rolling.roll import Roll
from touchstream.streams.rolling.series import Admission

pytestmark = pytest.mark.stack

TOPIC = "touchpoints"
NOW_MS = times.now_ms() // HOUR_MS * HOUR_MS
WINDOW = BY_NAME["1h"]
JOURNEY = """
format: 1
journeys:
  - id: default
    stages:
      - id: use
        touchpoints: [{channel: [shop, "web*"]}]
"""
NAMES = ("journey", "stage", "channel", "segment")
Group = tuple[str, ...]
numbers = count()


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        record_stages(client, "v1", stage_paths(Journeys(JOURNEY).journeys))
        record_definitions(client, "v1", "{}", in_force=True)
        yield client


def admitted(client: Client, kind: str) -> set[Group]:
    """Who has rows of its own: the names that the kind has."""
    rows = client.query("SELECT admitted FROM series FINAL WHERE kind = {kind:String}", {"kind": kind}).result_rows
    has = ("journey", *KINDS[kind])
    return {tuple(one[name] for name in has) for one in (rows[0][0] if rows else ())}


def heard(client: Client, channel: str, hours_ago: int, touches: int, **names: str) -> None:
    """An hour in which a channel of the stage `use` was touched."""
    at = {"pane_start": NOW_MS - hours_ago * HOUR_MS, "log_offset": next(numbers)}
    row = pane(channel=channel, touches=touches, log_id=f"log-{next(numbers)}", **at, **names)
    client.insert_arrow("stage_panes", table("stage_panes", [row]))


def decide(client: Client, most: int, now_ms: int = NOW_MS) -> dict[str, Decided]:
    return decide_series(client, TOPIC, most, now_ms, now_ms)


@dataclass(frozen=True)
class Heard:
    """What is known of a group: the last hour, and touches within a day and in all."""

    at_ms: int
    day: int
    touches: int


def model(rows: Sequence[Row], had: Mapping[str, set[Group]], most: int, now_ms: int) -> dict[str, set[Group]]:
    """The rule in Python: declared ones, then who had rows and was heard of within a day, then by touches of a day."""
    day_from = now_ms - 25 * HOUR_MS
    chosen: dict[str, set[Group]] = {}
    for kind, more in KINDS.items():
        has = ("journey", *more)
        parents = {"journey": [], "cross": ["channel", "segment"]}.get(
            kind, ["journey"] if kind == "stage" else ["stage"]
        )
        groups: dict[Group, Heard] = {}
        for row in rows:
            if any(tuple(row[name] for name in ("journey", *KINDS[one])) not in chosen[one] for one in parents):
                continue
            key = tuple(row[name] for name in has)
            old = groups.get(key, Heard(0, 0, 0))
            recent = row["touches"] if row["pane_start"] > day_from else 0
            groups[key] = Heard(max(old.at_ms, row["pane_start"]), old.day + recent, old.touches + row["touches"])
        declared = {group for group in groups if is_declared(kind, group)}
        had_rows = had.get(kind, set())

        def order(group: Group, groups: Mapping[Group, Heard] = groups, had: set[Group] = had_rows) -> tuple[Any, ...]:
            one = groups[group]
            keeps = group in had and one.at_ms > day_from
            return (not keeps, -one.day, group not in had, -one.touches, group)

        chosen[kind] = declared | {*sorted(groups.keys() - declared, key=order)[:most]}
    return chosen


def is_declared(kind: str, group: Group) -> bool:
    known = group[0] == "default" and (len(group) == 1 or group[1] in ("use", "undeclared"))
    named = {"channel": group[1:] == ("use", "shop"), "segment": group[-1] == "", "cross": False}
    return known and named.get(kind, True)


PANES = st.lists(
    st.builds(
        lambda hours, **changes: pane(pane_start=NOW_MS - hours * HOUR_MS, **changes),
        hours=st.sampled_from([-26, -2, 0, 1, 23, 24, 25, 26, 80]),
        journey=st.sampled_from(["default", "a", "b"]),
        stage=st.sampled_from(["use", "undeclared", "x", "y"]),
        channel=st.sampled_from(["shop", "c", "d", "e"]),
        segment=st.sampled_from(["", "s", "t", "u"]),
        touches=st.integers(1, 3),
    ),
    min_size=5,
    max_size=25,
)


@settings(
    max_examples=4,  # each is three decisions of five statements
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(PANES, min_size=2, max_size=3), st.integers(1, 3))
def test_the_list_is_what_the_rule_says_after_any_hours(client: Client, days: list[list[Row]], most: int) -> None:
    """Declared ones, a day for who has rows, volume, ties by name: the same whoever decides, and however often."""
    for name in ("stage_panes", "series"):
        client.command("TRUNCATE TABLE {name:Identifier}", {"name": name})
    rows: list[Row] = []
    had: dict[str, set[Group]] = {}
    for day, more in enumerate(days):
        rows += [row | {"log_id": f"log-{next(numbers)}"} for row in more]
        client.insert_arrow("stage_panes", table("stage_panes", rows))
        now_ms = NOW_MS + day * 26 * HOUR_MS
        decide(client, most, now_ms)
        had = model(rows, had, most, now_ms)
        assert {kind: admitted(client, kind) for kind in KINDS} == had


def test_who_has_rows_keeps_them_for_a_day_whatever_else_is_loud_and_ties_do_not_flap(client: Client) -> None:
    for name in ("quiet", "a", "b"):
        heard(client, name, 1, touches=1)
    decide(client, 2)
    before = admitted(client, "channel")
    assert before == {("default", "use", "a"), ("default", "use", "b")}
    for name in ("loud", "louder"):
        heard(client, name, 0, touches=1_000)
    assert decide(client, 2)["channel"] == Decided(2, 3, 3)
    assert admitted(client, "channel") == before
    heard(client, "b", -20, touches=1)
    decide(client, 2, NOW_MS + 24 * HOUR_MS)
    assert admitted(client, "channel") == {("default", "use", "b"), ("default", "use", "loud")}


def test_declared_ones_have_rows_from_the_first_touch_though_all_places_are_taken(client: Client) -> None:
    for number in range(20):
        heard(client, f"web-{number:02}", 0, touches=9)
    decide(client, 10)
    heard(client, "shop", 0, touches=1)
    heard(client, "web-99", 0, touches=99)
    decide(client, 10)
    channels = {channel for _, _, channel in admitted(client, "channel")}
    assert "shop" in channels
    assert "web-99" not in channels
    assert len(channels) == 11


def leader(client: Client, most: int) -> tuple[Roll, Admission]:
    admission = Admission(client, TOPIC, most)
    return Roll(client, TOPIC, 1, RollingGauges(Catalogue.load()), (WINDOW,), admission=admission), admission


def rows_now(client: Client) -> list[Row]:
    return rolling_at(client, TOPIC, WINDOW, WINDOW.live_tick(NOW_MS))


MOST = 10
ODD = ("other", "(other)", "channel_other", "*")


def bomb(client: Client) -> None:
    """Some real channels, which are loud, and 300 events each of which has names of its own."""
    real = [touchpoint(number, channel=channel) for number, channel in enumerate([*ODD, "web", "shop"] * 5)]
    names = ("channel", "segment", "stage", "journey")
    fake = [
        touchpoint(
            1_000 + number, customer_id=f"c{number}", **{name: f"{name}-{number}" for name in names[: number % 5]}
        )
        for number in range(300)
    ]
    publish(client, [row | {"occurred_at": NOW_MS - 1} for row in (*real, *fake)])
    write(client, lanes=[lane(watermark=NOW_MS - HOUR_MS)])


def test_a_bomb_of_names_makes_a_bounded_number_of_rows_that_add_up_and_real_names_stay_apart(client: Client) -> None:
    bomb(client)
    roll, _ = leader(client, MOST)
    roll.step(NOW_MS)
    rows = rows_now(client)
    # A place each, what isn't declared besides; and one row of others under each row above.
    assert len(rows) <= 15 * (MOST + 3)
    whole = sum(row["touches"] for row in rows if row["stage"] is None)
    assert whole == 330
    by_names: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        by_names[tuple(name for name in NAMES if row[name] is not None)] += row["touches"]
    assert set(by_names.values()) == {330}, by_names
    channels = {
        row["channel"]: row["touches"]
        for row in rows
        if (row["journey"], row["stage"], row["segment"], row["other"]) == ("default", "use", None, [])
    }
    assert {name: channels[name] for name in (*ODD, "shop")} == dict.fromkeys((*ODD, "shop"), 5)
    (folded,) = [row for row in rows if row["stage"] == "use" and row["other"] == ["channel_other"]]
    use = next(row for row in rows if (row["journey"], row["stage"], row["channel"], row["segment"]) ==
               ("default", "use", None, None))  # fmt: skip
    assert folded["touches"] == use["touches"] - sum(touches for name, touches in channels.items() if name is not None)
    assert folded["customers"] == folded["touches"] == folded["other_names"]


def test_another_leader_goes_on_with_the_same_list(client: Client) -> None:
    bomb(client)
    first, _ = leader(client, MOST)
    first.step(NOW_MS)
    before = {kind: admitted(client, kind) for kind in KINDS}
    for name in ("loud", "web-new"):
        heard(client, name, 0, touches=1_000)
    second, admission = leader(client, MOST)
    second.step(NOW_MS + 10_000)
    assert {kind: admitted(client, kind) for kind in KINDS} == before
    refused = REGISTRY.get_sample_value("touchstream_series_refused", {"kind": "channel"})
    assert refused is not None
    assert refused > 100
    admission.rest()
    assert REGISTRY.get_sample_value("touchstream_series_refused", {"kind": "channel"}) is None


def test_who_is_new_has_rows_at_once_where_there_is_room(client: Client) -> None:
    publish(client, [touchpoint(1, occurred_at=NOW_MS - 1)])
    write(client, lanes=[lane(watermark=NOW_MS - HOUR_MS)])
    roll, _ = leader(client, MOST)
    roll.step(NOW_MS)
    publish(client, [touchpoint(2, occurred_at=NOW_MS - 1, channel="new", segment="vip")])
    write(client, lanes=[lane(watermark=NOW_MS - HOUR_MS, next_offset=3)])
    roll.step(NOW_MS + 11_000)
    assert {row["channel"] for row in rows_now(client)} == {None, "web", "new"}
    assert [row for row in rows_now(client) if row["other"]] == []


def test_a_series_that_has_lost_its_row_says_zero_at_the_same_tick(client: Client) -> None:
    """Else its row of before would stand beside that of the others, which count it now."""
    window, tick = BY_NAME["7d"], NOW_MS
    heard(client, "old", 30, touches=5)
    heard(client, "older", 40, touches=4)
    decide(client, 1)
    write_rolling(client, TOPIC, [(window, tick)])
    heard(client, "new", 1, touches=3)
    decide(client, 1)
    write_rolling(client, TOPIC, [(window, tick)])
    channels = {
        (row["channel"], *row["other"]): row["touches"]
        for row in rolling_at(client, TOPIC, window, tick)
        if row["channel"] is not None and row["segment"] is None
    }
    assert channels == {("new",): 3, ("old",): 0, ("(other)", "channel_other"): 9}


def test_silence_is_said_of_a_bounded_number_of_names(client: Client) -> None:
    for number in range(30):
        heard(client, f"web-{number:02}", 50, touches=SILENCE_TOUCHES)
    decide(client, MOST)
    write_rolling(client, TOPIC, [(WINDOW, NOW_MS)])
    silent = rolling_at(client, TOPIC, WINDOW, NOW_MS)
    assert {row["touches"] for row in silent} == {0}
    assert len([row for row in silent if row["channel"] is not None and row["segment"] is None]) == MOST


def test_silence_of_a_name_that_was_hardly_ever_touched_has_no_row(client: Client) -> None:
    heard(client, "steady", 30, touches=SILENCE_TOUCHES - 1)
    heard(client, "steady", 20, touches=1)
    heard(client, "once", 20, touches=SILENCE_TOUCHES - 1)
    heard(client, "shop", 20, touches=1)  # declared
    decide(client, MOST)
    write_rolling(client, TOPIC, [(WINDOW, NOW_MS), (BY_NAME["24h"], NOW_MS)])
    silent = {row["channel"]: row["touches"] for row in rolling_at(client, TOPIC, WINDOW, NOW_MS) if not row["other"]}
    assert silent.keys() - {None} == {"steady", "shop"}
    assert set(silent.values()) == {0}
    day = {row["channel"]: row["touches"] for row in rolling_at(client, TOPIC, BY_NAME["24h"], NOW_MS)}
    assert day["once"] == SILENCE_TOUCHES - 1


def test_page_and_rules_do_not_take_the_others_for_a_name(client: Client) -> None:
    bomb(client)
    leader(client, MOST)[0].step(NOW_MS)
    tick_ms = WINDOW.live_tick(NOW_MS)
    tick = live.LiveTick(TOPIC, WINDOW, tick_ms, "default")
    channels = live.channels(client, tick, "use", None, 50)
    assert [row["touches"] for row in channels.rows if row["channel"] == "(other)"] == [5]
    assert channels.names == len(channels.rows) <= MOST + 1
    assert channels.folded[0] > 100
    stages = live.stages(client, tick, None, None, ["use"], 30)
    assert [row["stage"] for row in stages.rows[:2]] == [None, "use"]
    assert all(not row["other"] for row in stages.rows)
    names = live.names(client, tick, 50)
    assert names["channel_other"].total == channels.folded[0]
    assert {*ODD, "web", "shop"} <= {*names["channel"].shown}
    client.command("ALTER TABLE stage_metrics UPDATE completeness = 1 WHERE true", settings={"mutations_sync": 2})
    (rule,) = Rules(
        "format: 1\nrules:\n  - {name: r, summary: s, metric: touches, window: 1h, each: [stage, channel], above: 0}"
    ).rules
    metric = Catalogue.load().metrics["touches"]
    tables = AlertTables(client, TOPIC)
    judged = tables.readings(rule, metric, [tick_ms])[tick_ms]
    assert [reading.value for group, reading in judged.items() if group.channel == "(other)"] == [5.0]
    write(client, lanes=[lane(watermark=tick_ms, next_offset=9)])
    recomputed = tables.recomputed(rule, metric, WINDOW, tick_ms)
    assert recomputed == {group: reading for group, reading in judged.items() if group in recomputed}
    assert recomputed.keys() == judged.keys()
