"""Visits are a function of touches: whatever their order, their repetitions and their lanes."""

import gzip
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.journey import Journeys
from schemas.paths import stage_paths
from sinks.clickhouse.definitions import record_definitions
from sinks.clickhouse.journeys import journey_metrics, passes_and_churn, record_stages, transitions, visits
from sinks.clickhouse.rolling import WINDOWS, journeys_now, write_journeys
from streams.roll_journeys import JourneyRoll
from tests.clickhouse_rows import HOUR_MS, NOON_MS, lane, migrated_database, table, touchpoint
from tests.oracle import journeys as oracle
from tests.real_data import events_file, needs_data

pytestmark = pytest.mark.stack

FILE = """
format: 1
journeys:
  - id: shop
    starts: [look]
    ends: [use]
    new_after: 20d
    lost_after: 10d
    stages:
      - {id: look, timeout: 3d}
      - {id: buy, timeout: 2d}
      - {id: use}
  - id: graph
    stages:
      - {id: a, timeout: 1d, next: [b, c]}
      - {id: b, timeout: 1d, next: [a]}
      - {id: c, timeout: 1d}
"""
DAY_MS = 24 * HOUR_MS
JOURNEYS = Journeys(FILE)
WAYS = {
    journey.id: oracle.Way(
        timeouts={path.stage: path.timeout_ms for path in stage_paths([journey])},
        later={path.stage: path.later for path in stage_paths([journey])},
        starts=journey.starts,
        ends=journey.ends,
        new_after_ms=20 * DAY_MS if journey.id == "shop" else None,
        lost_after_ms=10 * DAY_MS if journey.id == "shop" else None,
    )
    for journey in JOURNEYS.journeys
}
NOWHERE = oracle.Way({}, {})


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        record_definitions(client, "v1", "{}", in_force=True)
        record_stages(client, "v1", stage_paths(JOURNEYS.journeys))
        yield client


@pytest.fixture
def client(database: Client) -> Client:
    for name in ("touchpoints", "journey_touches", "identities", "journey_metrics"):
        database.command(f"TRUNCATE TABLE {name}")
    return database


def write(client: Client, rows: Sequence[dict[str, Any]]) -> None:
    client.insert_arrow("touchpoints", table("touchpoints", rows))


def events(seed: int, count: int = 300) -> list[dict[str, Any]]:
    """Touches of a few people over two months in two journeys and lanes, with many ties in time."""
    random = Random(seed)
    made = []
    for offset in range(count):
        person = random.choice(["ann", "bob", "cem", "dee"])
        anonymous = random.choice(["", "", "x1", "x2", "x3"])
        action = random.choices(["view", "purchase", "unsubscribe", "identify"], [20, 3, 1, 1])[0]
        journey = random.choice(["shop", "shop", "graph", "other"])
        stages = {"shop": ["look", "buy", "use", "undeclared", "odd"], "graph": ["a", "b", "c"], "other": ["a", "z"]}
        made.append(
            touchpoint(
                offset,
                partition=offset % 3,
                event_id=f"e{random.randrange(10**6)}",
                occurred_at=NOON_MS - 60 * DAY_MS + random.randrange(120) * DAY_MS // 2,
                customer_id=person if not anonymous or action == "identify" else "",
                anonymous_id=anonymous,
                journey=journey,
                stage=random.choice(stages[journey]),
                channel=random.choice(["web", "app"]),
                action=action,
            )
        )
    return made


def expected_visits(rows: Sequence[dict[str, Any]], watermark_ms: int) -> list[tuple[Any, ...]]:
    found = []
    for (journey, known, person), touches in oracle.people(rows).items():
        way = WAYS.get(journey, NOWHERE)
        found += [
            (
                journey, known, person, one.pass_, one.stage, one.channel, one.entered, one.last, one.touches,
                one.left, one.next_stage, one.progressed, one.outcome(way.timeouts.get(one.stage), watermark_ms),
            )
            for one in oracle.visits(touches, way)
        ]  # fmt: skip
    return sorted(found, key=str)


def found_visits(client: Client, watermark_ms: int, *interval: int) -> list[tuple[Any, ...]]:
    names = (
        "journey", "known", "person", "pass", "stage", "channel", "entered_ms", "last_ms", "touches", "left_ms",
        "next_stage", "progressed_ms", "outcome",
    )  # fmt: skip
    return sorted((tuple(row[name] for name in names) for row in visits(client, watermark_ms, *interval)), key=str)


@pytest.mark.parametrize("seed", range(12))
def test_visits_are_those_of_the_definition_whatever_the_order_and_however_often(client: Client, seed: int) -> None:
    rows = events(seed)
    expected = expected_visits(rows, NOON_MS)
    write(client, rows[:200])
    Random(seed).shuffle(rows)
    for start in range(0, len(rows), 70):
        write(client, rows[start : start + 70])
    assert found_visits(client, NOON_MS) == expected
    client.command("OPTIMIZE TABLE journey_touches FINAL")
    assert found_visits(client, NOON_MS) == expected
    start, end = NOON_MS - 20 * DAY_MS, NOON_MS - 5 * DAY_MS
    assert found_visits(client, NOON_MS, start, end) == [row for row in expected if start <= row[6] < end]


def test_it_shows_when_visits_come_from_the_first_and_last_touch_of_a_stage(client: Client) -> None:
    first, middle, last, late = (
        touchpoint(at, event_id=f"e{at}", journey="graph", stage=stage, occurred_at=NOON_MS + hour * HOUR_MS)
        for at, (stage, hour) in enumerate([("a", 0), ("a", 2), ("a", 4), ("b", 3)])
    )

    def visits_of(*rows: dict[str, Any]) -> list[Any]:
        client.command("TRUNCATE TABLE journey_touches")
        write(client, rows)
        return [(row["stage"], row["entered_ms"], row["last_ms"]) for row in visits(client, NOON_MS)]

    assert visits_of(first, last) == visits_of(first, middle, last)
    assert visits_of(first, last, late) != visits_of(first, middle, last, late)


@pytest.mark.parametrize("seed", range(4))
def test_metrics_and_moves_add_visits_up(client: Client, seed: int) -> None:
    rows = events(seed)
    write(client, rows)
    start, end = NOON_MS - 30 * DAY_MS, NOON_MS - 2 * DAY_MS
    began = [one for one in expected_visits(rows, NOON_MS) if start <= one[6] < end]
    outcomes = Counter((one[0], one[4], one[12]) for one in began)
    for row in journey_metrics(client, NOON_MS, start, end, by=["journey", "stage"]):
        counts = {name: outcomes[row["journey"], row["stage"], name] for name in ("progressed", "dropped", "recovered")}
        counts["dropped"] += counts["recovered"]
        assert {name: row[name] for name in counts} == counts
        assert row["entered"] == row["progressed"] + row["dropped"] + row["open"]
        decided = counts["progressed"] + counts["dropped"]
        assert row["conversion"] == (counts["progressed"] / decided if decided else None)
        mine = [one for one in began if (one[0], one[4]) == (row["journey"], row["stage"])]
        dwells = [one[9] - one[6] for one in mine if one[9] is not None]
        assert row["entered"] == len(mine)
        assert row["dwell_ms_n"] == len(dwells)
        assert row["dwell_ms_p50"] == (statistics.median_high(dwells) if dwells else None)
    assert sum(row["entered"] for row in journey_metrics(client, NOON_MS, start, end, by=["stage"])) == len(began)
    moves = Counter(
        (one[0], one[4], one[10]) for one in expected_visits(rows, NOON_MS) if one[9] and start <= one[9] < end
    )
    found = {
        (row["journey"], row["from_stage"], row["to_stage"]): row["transitions"]
        for row in transitions(client, start, end)
    }
    assert found == dict(moves)


@pytest.mark.parametrize("seed", range(6))
def test_churn_is_who_was_lost_of_those_who_were_there(client: Client, seed: int) -> None:
    rows = events(seed, 60)
    write(client, rows)
    start, end = NOON_MS - 30 * DAY_MS, NOON_MS - 10 * DAY_MS
    active = lost = 0
    for (journey, _, _), touches in oracle.people(rows).items():
        before = [one for one in touches if one["occurred_at"] < start]
        if journey != "shop" or not before:
            continue
        times = oracle.lost_at(touches, WAYS["shop"])
        there = not any(before[-1]["occurred_at"] <= at < start for at in times)
        active += there
        lost += there and any(start <= at < end for at in times)
    found = passes_and_churn(client, NOON_MS, start, end, by_journey=True)["shop"]
    assert (found["churn_rate_n"], found["lost"]) == (active, lost)
    assert found["churn_rate"] == (lost / active if active else None)


def test_a_merged_person_counts_as_if_sent_under_one_id_from_the_start(client: Client) -> None:
    rows = [one for one in events(7) if one["action"] != "identify"]
    ids = [{"customer_id": "ann", "anonymous_id": ""}, {"customer_id": "", "anonymous_id": "x9"}]
    apart = [one | ids[one["log_offset"] % 2] for one in rows]
    says = touchpoint(9_999, customer_id="ann", anonymous_id="x9", action="identify", event_id="who")
    merged = [one | ids[0] for one in rows]
    write(client, merged)
    at_once = found_visits(client, NOON_MS)
    for name in ("touchpoints", "journey_touches"):
        client.command(f"TRUNCATE TABLE {name}")
    write(client, [*apart[100:], says, *apart[:100]])
    assert found_visits(client, NOON_MS) == at_once


def test_an_anonymous_id_that_two_customers_claim_stays_with_the_first(client: Client) -> None:
    alone = touchpoint(1, customer_id="", anonymous_id="x", journey="shop", stage="look")
    claims = [
        touchpoint(2, customer_id="bob", anonymous_id="x", action="identify", occurred_at=NOON_MS + 2),
        touchpoint(3, customer_id="ann", anonymous_id="x", action="identify", occurred_at=NOON_MS + 1),
    ]
    write(client, [alone, *claims])
    assert [(row["known"], row["person"]) for row in visits(client, NOON_MS)] == [(True, "ann")]


def test_rolling_journeys_equal_the_exact_ones_of_their_window(client: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    rows = [one | {"occurred_at": one["occurred_at"] - NOON_MS + now_ms} for one in events(3)]
    write(client, rows)
    client.insert_arrow("lanes", table("lanes", [lane(watermark=now_ms)]))
    for window in WINDOWS:
        write_journeys(client, "touchpoints", window, window.live_tick(now_ms), now_ms)
        found = journeys_now(client, "touchpoints", window.name)
        tick_ms = window.live_tick(now_ms)
        interval = (tick_ms - window.length_ms, tick_ms)
        expected = [
            row | {"stage": row["stage"] or "*"}
            for by in (["journey"], ["journey", "stage"])
            for row in journey_metrics(client, now_ms, *interval, by=by)
        ]
        expected.sort(key=lambda row: (row["journey"], row["stage"]))
        names = [name for name in expected[0] if name not in ("channel", "touchpoint", "segment")] if expected else []
        assert [{name: row[name] for name in names} for row in found] == [
            {name: row[name] for name in names} for row in expected
        ]
    assert found


def test_journeys_are_written_one_window_at_a_time_and_rest_longer_than_they_take(client: Client) -> None:
    client.insert_arrow("lanes", table("lanes", [lane()]))
    roll = JourneyRoll(client, "touchpoints")
    assert roll.step(NOON_MS) is not None
    assert roll.step(NOON_MS) is None


def test_journeys_wait_for_lanes_that_catch_up(client: Client) -> None:
    client.insert_arrow("lanes", table("lanes", [lane(lane_clock=NOON_MS)]))
    roll = JourneyRoll(client, "touchpoints")
    assert roll.step(NOON_MS + 60_000) is None
    assert roll.step(NOON_MS + 5_000) is not None


def test_a_new_leader_of_journeys_goes_on_where_the_one_before_ended(client: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    client.insert_arrow("lanes", table("lanes", [lane(lane_clock=now_ms)]))
    write(client, [one | {"occurred_at": one["occurred_at"] - NOON_MS + now_ms} for one in events(3)])
    longest = WINDOWS[-1:]
    assert JourneyRoll(client, "touchpoints", longest).step(now_ms) == longest[0]
    assert JourneyRoll(client, "touchpoints", longest).step(now_ms) is None


@needs_data
def test_the_helpdesk_cases_are_as_computed_apart(client: Client) -> None:
    lines = gzip.decompress(Path(events_file("helpdesk")).read_bytes()).splitlines()
    raw = [json.loads(line) for line in lines]
    rows = [
        touchpoint(
            offset, **{name: one[name] for name in ("event_id", "occurred_at", "customer_id", "channel", "stage")}
        )
        for offset, one in enumerate(raw)
    ]
    Random(1).shuffle(rows)
    write(client, rows)
    write(client, rows[:5000])
    cases: dict[str, list[tuple[int, str, str]]] = {}
    for one in raw:
        cases.setdefault(one["customer_id"], []).append((one["occurred_at"], one["event_id"], one["stage"]))
    moves: Counter[tuple[str, str]] = Counter()
    dwells: dict[str, list[int]] = {}
    durations = []
    for touches in cases.values():
        touches.sort()
        durations.append(touches[-1][0] - touches[0][0])
        entered = touches[0][0]
        for (_, _, stage), (at, _, next_stage) in pairwise(touches):
            if stage != next_stage:
                moves[stage, next_stage] += 1
                dwells.setdefault(stage, []).append(at - entered)
                entered = at
    assert {(row["from_stage"], row["to_stage"]): row["transitions"] for row in transitions(client)} == dict(moves)
    found = passes_and_churn(client, NOON_MS)[""]
    assert found["passes"] == 4_580
    assert round(found["pass_ms_mean"] / DAY_MS, 2) == 40.86
    assert round(found["pass_ms_p50"] / DAY_MS, 2) == 39.87
    assert found["pass_ms_mean"] == pytest.approx(statistics.mean(durations), rel=1e-12)
    for row in journey_metrics(client, NOON_MS, by=["stage"]):
        expected = dwells.get(row["stage"], [])
        assert row["dwell_ms_n"] == len(expected)
        assert row["dwell_ms_p50"] == (statistics.median_high(expected) if expected else None)


def test_the_view_of_visits_can_be_read_whole_and_a_visit_that_goes_on_has_not_been_left(client: Client) -> None:
    later = {"occurred_at": NOON_MS + HOUR_MS, "stage": "buy"}
    write(client, [touchpoint(1, journey="shop", stage="look"), touchpoint(2, journey="shop", **later)])
    found = {row["stage"]: row for row in client.query("SELECT * FROM journey_visits").named_results()}
    assert found["look"]["left_at"] == found["buy"]["entered_at"]
    assert (found["buy"]["left_at"], found["buy"]["progressed_at"]) == (None, None)
