"""Visits are a function of touches: whatever their order, their repetitions and their lanes."""

import gzip
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.oracle import journeys as oracle
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, lane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from tests.support.real_data import events_file, needs_data
from touchstream.schemas import times
from touchstream.schemas.journey import Journeys
from touchstream.schemas.paths import stage_paths
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import (
    churn,
    journey_metrics,
    passes,
    portfolio,
    record_stages,
    transitions,
    visits,
)
from touchstream.sinks.clickhouse.rolling.store import journeys_now, write_journeys
from touchstream.streams.rolling.journeys import JourneyRoll

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
    for name in ("touchpoints", "journey_touches", "identities", "journey_metrics", "stage_panes", "lanes"):
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
                segment=("", "gold", "", "new")[offset // 3 % 4],
                action=action,
            )
        )
    return made


def people_visits(
    rows: Sequence[dict[str, Any]],
) -> Iterator[tuple[tuple[str, bool, str], oracle.Way, list[oracle.Visit]]]:
    for person, touches in oracle.people(rows).items():
        way = WAYS.get(person[0], NOWHERE)
        yield person, way, oracle.visits(touches, way)


def expected_visits(rows: Sequence[dict[str, Any]], watermark_ms: int) -> list[Any]:
    found = [
        (
            *person, one.pass_, one.after_end, one.number, one.stage, one.channel, one.entered, one.last, len(one.rows),
            one.left, one.next_stage, one.across, one.progressed, one.outcome(way, watermark_ms),
        )
        for person, way, visits in people_visits(rows)
        for one in visits
    ]  # fmt: skip
    return sorted(found, key=str)


def found_visits(client: Client, watermark_ms: int, *interval: int) -> list[tuple[Any, ...]]:
    names = (
        "journey", "known", "person", "pass", "after_end", "visit", "stage", "channel", "entered_ms", "last_ms",
        "touches", "left_ms", "next_stage", "across", "progressed_ms", "outcome",
    )  # fmt: skip
    return sorted((tuple(row[name] for name in names) for row in visits(client, watermark_ms, *interval)), key=str)


@pytest.mark.parametrize("seed", range(12))
def test_visits_are_those_of_the_definition_whatever_the_order_and_however_often(client: Client, seed: int) -> None:
    rows = events(seed, (300, 40, 12)[seed % 3])  # of few there are long silences
    expected = expected_visits(rows, NOON_MS)
    write(client, rows[:200])
    Random(seed).shuffle(rows)
    for start in range(0, len(rows), 70):
        write(client, rows[start : start + 70])
    assert found_visits(client, NOON_MS) == expected
    client.command("OPTIMIZE TABLE journey_touches FINAL")
    assert found_visits(client, NOON_MS) == expected
    start, end = NOON_MS - 20 * DAY_MS, NOON_MS - 5 * DAY_MS
    assert found_visits(client, NOON_MS, start, end) == [row for row in expected if start <= row[8] < end]


def way_through(client: Client, *steps: tuple[float, str], journey: str = "shop") -> list[tuple[Any, ...]]:
    """Pass, whether it is over, and stage of each visit of a customer; steps: days from noon, and stage."""
    client.command("TRUNCATE TABLE journey_touches")
    rows = [
        touchpoint(at, event_id=f"e{at}", journey=journey, stage=stage, occurred_at=NOON_MS + round(day * DAY_MS))
        for at, (day, stage) in enumerate(steps)
    ]
    write(client, rows)
    return [(row["pass"], row["after_end"], row["stage"]) for row in visits(client, NOON_MS)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["look"], [(2, False, "look")]),
        (["buy", "look"], [(1, True, "buy"), (2, False, "look")]),
        (["undeclared", "buy", "use", "look"], [(1, True, "buy"), (1, True, "use"), (2, False, "look")]),
        (["odd", "look", "odd"], [(1, True, "odd"), (2, False, "look"), (2, False, "odd")]),
        (["undeclared", "use", "buy"], [(1, True, "buy")]),
    ],
)  # fmt: skip
def test_an_end_stage_ends_the_pass_whatever_follows_before_the_next_start(
    client: Client, after: list[str], expected: list[Any]
) -> None:
    steps = ["buy", "look", "buy", "use", "use", *after]
    before = [(1, False, one) for one in ("buy", "look", "buy", "use")]
    assert way_through(client, *((0.1 * n, stage) for n, stage in enumerate(steps))) == before + expected
    client.command("TRUNCATE TABLE journey_touches")
    way = way_through(client, *((n, stage) for n, stage in enumerate([*steps, "look", "use", "buy"])))
    (found,) = passes(client, NOON_MS)
    assert found["passes"] == len({number for number, _, _ in way})
    assert way[-1][1]


def test_a_touch_whose_stage_is_not_known_breaks_a_silence_as_any_other(client: Client) -> None:
    assert way_through(client, (0, "look"), (20, "look")) == [(1, False, "look"), (2, False, "look")]
    assert way_through(client, (0, "look"), (10, "undeclared"), (20, "look")) == [(1, False, "look")]
    assert way_through(client, (0, "look"), (10, "undeclared"), (29.9, "buy")) == [
        (1, False, "look"),
        (1, False, "buy"),
    ]
    assert way_through(client, (0, "look"), (20, "undeclared"), (21, "look")) == [
        (1, False, "look"),
        (2, False, "look"),
    ]
    assert way_through(client, (0, "undeclared"), (20, "look"), (45, "undeclared")) == [(1, False, "look")]
    for days, lost in ((9.9, 0), (10, 1), (10.1, 1)):
        steps = ((0, "look"), (days, "undeclared"))
        way_through(client, *steps)
        (found,) = churn(client, NOON_MS + 12 * DAY_MS, NOON_MS + 1, NOON_MS + 12 * DAY_MS)
        assert (found["lost"], found["churn_rate_n"], found["active"]) == (lost, 1, 1)


def test_visits_from_the_first_and_last_touch_of_a_stage_alone_are_noticed(client: Client) -> None:
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


@pytest.mark.parametrize("seed", range(6))
def test_metrics_and_moves_add_visits_up(client: Client, seed: int) -> None:
    rows = events(seed, (300, 60)[seed % 2])
    write(client, rows)
    watermark_ms, start, end = NOON_MS - 8 * DAY_MS, NOON_MS - 30 * DAY_MS, NOON_MS - 2 * DAY_MS
    groups: dict[tuple[str, str], list[tuple[oracle.Way, oracle.Visit]]] = {}
    for (journey, _, _), way, found in people_visits(rows):
        for one in found:
            if start <= one.entered < end:
                groups.setdefault((journey, one.stage), []).append((way, one))
    expected = {key: outcomes(group, watermark_ms) for key, group in groups.items()}
    measured = journey_metrics(client, watermark_ms, start, end, by=["journey", "stage"])
    assert {(row["journey"], row["stage"]) for row in measured} == set(expected)
    for row in measured:
        for name, value in expected[row["journey"], row["stage"]].items():
            wanted = pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
            assert row[name] == wanted, (row["journey"], row["stage"], name)
        assert row["entered"] == row["progressed"] + row["dropped"] + row["open"]
        assert row["entered"] == row["dwell_ms_n"] + row["dwell_open"]
        assert row["entered"] == row["conversion_n"] + row["open"] + row["open_progressed"]
    assert sum(row["entered"] for row in journey_metrics(client, watermark_ms, start, end, by=["stage"])) == sum(
        row["entered"] for row in measured
    )


def outcomes(group: Sequence[tuple[oracle.Way, oracle.Visit]], watermark_ms: int) -> dict[str, Any]:
    """What the definitions make of the visits of a stage."""
    (way, first), n = group[0], len(group)
    timeout, later = way.timeouts.get(first.stage), way.later.get(first.stage)
    visits = [one for _, one in group]
    decided = [one for one in visits if one.decided(way, watermark_ms)]
    converted = [one for one in decided if one.in_time(way)]
    progressed = sum(one.in_time(way) for one in visits)
    dwells = [one.left - one.entered for one in visits if one.left is not None]
    watched = [one for one in visits if later and one.entered <= watermark_ms]
    times = [
        (one.progressed - one.entered, True)
        if one.in_time(way) and one.progressed is not None and one.progressed <= watermark_ms
        else (watermark_ms - one.entered, False)
        for one in watched
        if one not in decided or one in converted
    ]
    estimate, low, high = oracle.estimate(times, len(watched) - len(times))
    return {
        "entered": n, "entered_first": sum(one.number == 1 for one in visits), "progressed": progressed,
        "dropped": len(decided) - len(converted),
        "recovered": sum(one.progressed is not None and not one.in_time(way) for one in decided),
        "open_progressed": progressed - len(converted), "conversion_n": len(decided),
        "conversion": len(converted) / len(decided) if decided else None,
        "conversion_reason": ""
        if decided
        else ("not_decided_yet" if timeout else "no_timeout")
        if later
        else "last_stage",
        "conversion_estimate": estimate, "conversion_estimate_n": len(watched),
        "conversion_estimate_low": low, "conversion_estimate_high": high,
        "conversion_estimate_ms": max(
            (min(watermark_ms - one.entered, timeout or 2**62) for one in watched), default=None
        ),
        "dwell_ms_n": len(dwells), "dwell_ms_p50": oracle.quantile(dwells, 50),
        "dwell_ms_p95": oracle.quantile(dwells, 95),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_every_move_is_somewhere(client: Client, seed: int) -> None:
    rows = events(seed, (300, 60, 12)[seed % 3])
    write(client, rows)
    interval = (NOON_MS - 30 * DAY_MS, NOON_MS - 2 * DAY_MS)
    moves: Counter[tuple[str, str, str, bool]] = Counter()
    for (journey, _, _), _, found in people_visits(rows):
        for one in found:
            if one.left is not None and interval[0] <= one.left < interval[1]:
                moves[journey, one.stage, one.next_stage, one.across] += 1
    seen = transitions(client, *interval)
    for row in seen:
        place = (row["journey"], row["from_stage"], row["to_stage"])
        assert row["transitions"] == moves[*place, True] + moves[*place, False]
        assert row["across_passes"] == moves[*place, True]
    assert sum(row["transitions"] for row in seen) == sum(moves.values())
    every = (None, None)
    for start, end in (interval, every):
        came, went = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for row in transitions(client, start, end):
            came[row["journey"], row["to_stage"]] += row["transitions"]
            went[row["journey"], row["from_stage"]] += row["transitions"]
        for row in journey_metrics(client, NOON_MS, start, end, by=["journey", "stage"]):
            stage = (row["journey"], row["stage"])
            assert row["entered"] == row["entered_first"] + came[stage]
            if (start, end) == every:
                assert row["entered"] == went[stage] + row["dwell_open"]


@pytest.mark.parametrize("seed", range(6))
def test_churn_is_who_was_lost_of_those_who_were_there(client: Client, seed: int) -> None:
    rows = events(seed, (60, 20)[seed % 2])
    write(client, rows)
    start, end = NOON_MS - 30 * DAY_MS, NOON_MS - 10 * DAY_MS
    before, lost, after = Counter[str](), Counter[str](), Counter[str]()
    for (journey, _, _), touches in oracle.people(rows).items():
        if journey != "shop":
            continue
        times = oracle.lost_at(touches, WAYS["shop"])
        if oracle.active(touches, WAYS["shop"], start, at_it=False):
            segment = oracle.segment([one for one in touches if one["occurred_at"] < start])
            before[segment] += 1
            lost[segment] += any(start <= at < end for at in times)
        if oracle.active(touches, WAYS["shop"], end, at_it=True):
            after[oracle.segment([one for one in touches if one["occurred_at"] <= end])] += 1
    (found,) = churn(client, NOON_MS, start, end, by=["journey"], where={"journey": ["shop"]})
    assert (found["churn_rate_n"], found["lost"], found["active"]) == (
        before.total(),
        lost.total(),
        after.total(),
    )
    assert found["churn_rate"] == (lost.total() / before.total() if before else None)
    for row in churn(client, NOON_MS, start, end, by=["segment"], where={"journey": ["shop"]}):
        segment = row["segment"]
        assert (row["churn_rate_n"], row["lost"], row["active"]) == (before[segment], lost[segment], after[segment])
        assert row["churn_rate_reason"] == ("" if before[segment] else "nobody_was_active")


def test_a_journey_counts_for_a_group_only_once_a_person_of_it_was_touched_there(client: Client) -> None:
    start, end = NOON_MS - 30 * DAY_MS, NOON_MS - 10 * DAY_MS
    said = [("ann", "shop", "", start - DAY_MS), ("bob", "graph", "vip", start), ("cem", "other", "", end + 1)]
    write(client, [
        touchpoint(offset, customer_id=person, journey=journey, segment=segment, stage="a", occurred_at=at_ms)
        for offset, (person, journey, segment, at_ms) in enumerate(said)
    ])  # fmt: skip
    found = {row["segment"]: row for row in churn(client, NOON_MS, start, end, by=["segment"])}
    assert [found[name]["churn_rate_n"] for name in ("", "vip")] == [1, 0]
    assert [found[name]["active"] for name in ("", "vip")] == [0, 1]
    (total,) = churn(client, NOON_MS, start, end, where={"segment": [""]})
    assert (total["churn_rate_n"], total["churn_rate_reason"]) == (1, "")
    (every,) = churn(client, NOON_MS, start, end)
    assert every["churn_rate_reason"] == "several_journeys"


def test_a_metric_that_is_not_defined_says_why(client: Client) -> None:
    write(client, (rows := events(1)))
    client.insert_arrow("stage_panes", table("stage_panes", panes_of(rows)))
    client.insert_arrow("lanes", table("lanes", [lane(watermark=NOON_MS)]))
    bounds = (NOON_MS - 40 * DAY_MS, NOON_MS)
    (total,) = portfolio(client, *bounds)
    assert total["reasons"]["churn_rate"] == "several_journeys"
    assert [total[name] for name in ("active", "lost", "churn_rate", "churn_rate_n")] == [None] * 4
    stages = {(row["journey"], row["stage"]): row for row in portfolio(client, *bounds, by=["journey", "stage"])}
    reasons = {"use": "last_stage", "odd": "last_stage", "undeclared": "nobody_entered"}
    for stage, reason in reasons.items():
        row = stages["shop", stage]
        assert (row["conversion"], row["conversion_n"], row["reasons"]["conversion"]) == (None, 0, reason)
        assert row["reasons"]["churn_rate"] == "only_of_journey_and_segment"
    assert "conversion" not in stages["shop", "look"]["reasons"]
    (young,) = portfolio(client, NOON_MS - 5 * DAY_MS // 2, None, where={"journey": "shop", "stage": "look"})
    assert young["reasons"]["conversion"] == "not_decided_yet"
    by_journey = {row["journey"]: row for row in portfolio(client, *bounds, by=["journey"])}
    assert by_journey["shop"]["churn_rate"] is not None
    assert "churn_rate" not in by_journey["shop"]["reasons"]
    assert [row["churn_rate_n"] for row in portfolio(client, *bounds, by=["journey", "segment"])]


def test_an_open_cohort_is_estimated_and_not_judged(client: Client) -> None:
    """Half go on, in an hour; who doesn't is known as late as the timeout: today's would read 100 %."""
    rows = []
    for n in range(200):
        at_ms = NOON_MS - n * DAY_MS // 200 - HOUR_MS
        names = {"customer_id": f"c{n}", "journey": "shop"}
        rows.append(touchpoint(2 * n, stage="look", occurred_at=at_ms, **names))
        if n % 2:
            rows.append(touchpoint(2 * n + 1, stage="buy", occurred_at=at_ms + HOUR_MS // 2, **names))
    write(client, rows)
    (young,) = journey_metrics(client, NOON_MS, where={"stage": ["look"]})
    assert (young["entered"], young["progressed"], young["open"], young["open_progressed"]) == (200, 100, 100, 100)
    assert (young["conversion"], young["conversion_n"]) == (None, 0)
    assert young["conversion_estimate"] == pytest.approx(0.5)
    assert young["conversion_estimate_low"] < 0.5 < young["conversion_estimate_high"]
    (decided,) = journey_metrics(client, NOON_MS + 3 * DAY_MS, where={"stage": ["look"]})
    assert (decided["conversion"], decided["conversion_n"], decided["open"]) == (0.5, 200, 0)
    assert decided["conversion_estimate"] == pytest.approx(0.5, rel=1e-12)


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
    now_ms = times.now_ms()
    rows = [one | {"occurred_at": one["occurred_at"] - NOON_MS + now_ms} for one in events(3)]
    write(client, rows)
    client.insert_arrow("lanes", table("lanes", [lane(watermark=now_ms)]))
    for window in WINDOWS:
        write_journeys(client, "touchpoints", window, window.live_tick(now_ms), now_ms)
        found = journeys_now(client, "touchpoints", window.name)
        tick_ms = window.live_tick(now_ms)
        interval = (tick_ms - window.length_ms, tick_ms)
        expected = [
            row | {"stage": row["stage"] or None}
            for by in (["journey"], ["journey", "stage"])
            for row in journey_metrics(client, now_ms, *interval, by=by)
        ]
        expected.sort(key=lambda row: (row["journey"], row["stage"] or ""))
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
    now_ms = times.now_ms()
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
    (found,) = passes(client, NOON_MS)
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
