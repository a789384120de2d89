"""Intervals count people: exact ones against a plain recomputation, live ones against exact ones."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.test_clickhouse_metrics import publish, total, write
from tests.oracle import intervals as oracle
from tests.oracle.panes import sketch_bucket
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, Row, lane, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas import times
from touchstream.schemas.metrics import shipped
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.clickhouse.metrics.journeys import portfolio
from touchstream.sinks.clickhouse.rolling.effects import measure_effects
from touchstream.sinks.clickhouse.rolling.store import rolling_at, write_rolling
from touchstream.streams.rolling.effects import DesignEffects

pytestmark = pytest.mark.stack

TOPIC = "touchpoints"
NOW_MS = times.now_ms() // HOUR_MS * HOUR_MS
numbers = count()


@pytest.fixture(scope="module")
def shared(clickhouse_url: str) -> Iterator[Client]:
    """A database for cases that keep apart by their journey."""
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


# --- exact, against a plain recomputation

ANSWERS: Mapping[str, Callable[[Row], float | None]] = {
    "nps": lambda row: None if row["nps"] is None else (row["nps"] >= 9) - (row["nps"] <= 6),
    "csat": lambda row: None if row["csat"] is None else row["csat"] >= 4,
    "csat_mean": lambda row: row["csat"],
    "ces": lambda row: row["ces"],
    "ces_easy": lambda row: None if row["ces"] is None else row["ces"] >= 5,
    "success_rate": lambda row: (row["outcome"] == "success") if row["outcome"] else None,
    "sentiment": lambda row: None if row["sentiment_micro"] is None else row["sentiment_micro"] / 1e6,
    "average_order_minor": lambda row: (row["revenue_minor"] or 0) if row["action"] == "purchase" else None,
}
INTERVALS: Mapping[str, Callable[[oracle.Design], oracle.Bounds]] = {
    "nps": oracle.net_interval,
    "csat": oracle.share_interval,
    "csat_mean": lambda one: oracle.mean_interval(one, 1, 5),
    "ces": lambda one: oracle.mean_interval(one, 1, 7),
    "ces_easy": oracle.share_interval,
    "success_rate": oracle.share_interval,
    "sentiment": lambda one: oracle.mean_interval(one, -1, 1),
    "average_order_minor": oracle.amount_interval,
}
NO_ENDS = (math.nan, math.nan)
SCALED = {"nps": 100, "csat": 100, "ces_easy": 100}


def by_person(rows: Sequence[Row], answer: Callable[[Row], float | None]) -> list[list[float]]:
    """Each person's answers; a row that names nobody is of a person of its own."""
    people: dict[Any, list[float]] = defaultdict(list)
    for number, row in enumerate(rows):
        value = answer(row)
        if value is not None:
            name = row["customer_id"] or row["anonymous_id"]
            people[(bool(row["customer_id"]), name) if name else number].append(float(value))
    return list(people.values())


def designed(people: Sequence[Sequence[float]]) -> oracle.Design:
    sums = [(len(one), math.fsum(one), math.fsum(value * value for value in one)) for one in people]
    k, s, q = (np.array(column, float) for column in zip(*sums, strict=True))
    return oracle.design(k, s, q)


def middle(bucket: int) -> float:
    return 0.0 if bucket < 0 else 2 * (101 / 99) ** bucket / (101 / 99 + 1)


def expected(rows: Sequence[Row]) -> Row:
    """People and the ends of every interval of a group."""
    found: Row = {}
    for name, answer in ANSWERS.items():
        people = by_person(rows, answer)
        found[f"{name}_people"] = len(people)
        bounds = map(float, INTERVALS[name](designed(people))) if people else iter(NO_ENDS)
        for end, value in zip(("low", "high"), bounds, strict=True):
            found[f"{name}_{end}"] = None if math.isnan(value) else value * SCALED.get(name, 1)
    durations = by_person(rows, lambda row: None if row["duration_ms"] is None else sketch_bucket(row["duration_ms"]))
    ordered = sorted(bucket for one in durations for bucket in one)
    for percent in (50, 95, 99):
        name, ends = f"duration_ms_p{percent}", NO_ENDS
        if ordered:
            quantile = ordered[percent * (len(ordered) - 1) // 100]
            one = designed([[bucket <= quantile for bucket in person] for person in durations])
            low, high = oracle.quantile_ranks(one, percent / 100)
            ends = (float(low), float(high))
        found[f"{name}_people"] = len(durations)
        for end, rank in zip(("low", "high"), ends, strict=True):
            found[f"{name}_{end}"] = None if math.isnan(rank) else middle(int(ordered[int(rank) - 1]))
    return found


def drawn(seed: int, people: int, answers: int, nobody: int) -> list[Row]:
    """Events of people each of whom tends to an opinion."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for person in range(people):
        mood = chance.random()
        names = {"customer_id": f"c{person}" if person % 3 else "", "anonymous_id": f"a{person}"}
        rows += [event(chance, mood, **names) for _ in range(chance.randint(1, answers))]
    rows += [event(chance, chance.random(), customer_id="") for _ in range(nobody)]
    return [row | {"log_offset": number, "event_id": f"e{number}"} for number, row in enumerate(rows)]


def event(chance: random.Random, mood: float, **names: Any) -> Row:
    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.7 else None

    happy = chance.random() < mood
    return touchpoint(
        **names,
        stage=chance.choice(["use", "support"]),
        nps=maybe(chance.choice([9, 10] if happy else [0, 6, 7, 8])),
        csat=maybe(chance.choice([4, 5] if happy else [1, 2, 3])),
        ces=maybe(chance.choice([5, 7] if happy else [1, 4])),
        outcome=maybe("success" if happy else chance.choice(["failure", "abandoned"])) or "",
        sentiment_micro=maybe(round(2_000_000 * (mood - 0.5)) + chance.randint(-1_000, 1_000)),
        duration_ms=maybe(round(math.exp(8 * mood + chance.random()))),
        action=chance.choice(["contact", "purchase"]),
        revenue_minor=maybe(round(10_000 * mood)),
        currency="EUR",
        occurred_at=NOON_MS + chance.randint(-HOUR_MS, HOUR_MS),
    )


@settings(
    max_examples=12,
    deadline=None,
    # Not shrunk: each step would be an insert and two queries.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([1, 2, 8]), st.sampled_from([0, 0, 5]))
def test_every_interval_and_its_people_agree_with_a_plain_recomputation(
    shared: Client, seed: int, people: int, answers: int, nobody: int
) -> None:
    journey = f"intervals-{next(numbers)}"
    events = [row | {"journey": journey, "log_id": journey} for row in drawn(seed, people, answers, nobody)]
    publish(shared, events)
    for row in metrics(shared, by=["stage"], where={"journey": journey}):
        of_stage = [one for one in events if one["stage"] == row["stage"]]
        for name, value in expected(of_stage).items():
            ending = name.rpartition("_")[0]
            known = row[ending] is not None
            wanted = value if known or name.endswith("people") else None
            assert row[name] == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9, abs=1e-9)), name


def answered(number: int, **changes: Any) -> Row:
    return touchpoint(number, customer_id=f"c{number}", **changes)


def test_one_answer_a_person_gives_the_published_intervals(client: Client) -> None:
    nps = [10] * 8 + [0] * 2 + [8] * 5
    events = [answered(number, stage="nps", nps=score) for number, score in enumerate(nps)]
    outcomes = ["success"] * 7 + ["failure"] * 43
    events += [answered(100 + n, stage="outcome", outcome=outcome) for n, outcome in enumerate(outcomes)]
    publish(client, events)
    of_nps, of_outcomes = metrics(client, by=["stage"])
    assert (of_nps["nps_people"], round(of_nps["nps_low"], 1), round(of_nps["nps_high"], 1)) == (15, -0.2, 66.9)
    found = (of_outcomes["success_rate_low"], of_outcomes["success_rate_high"])
    assert (round(found[0], 4), round(found[1], 4)) == (0.0695, 0.2619)


def test_below_ten_people_there_is_no_interval_however_many_their_answers_and_the_reason_is_said(
    client: Client,
) -> None:
    few = [touchpoint(n, customer_id=f"c{n % 9}", csat=n % 5 + 1) for n in range(90)]
    publish(client, few)
    row = portfolio(client)[0]
    assert (row["csat_n"], row["csat_people"], row["csat_low"], row["csat_high"]) == (90, 9, None, None)
    assert row["reasons"]["csat_low"] == row["reasons"]["csat_high"] == "too_few_people"
    publish(client, [*few, touchpoint(1_000, customer_id="tenth", csat=3)])
    row = portfolio(client)[0]
    assert row["csat_people"] == 10
    assert row["csat_low"] < row["csat"] < row["csat_high"]
    assert "csat_low" not in row["reasons"]


def test_answers_that_all_agree_have_an_interval_with_a_width(client: Client) -> None:
    publish(
        client, [touchpoint(n, customer_id=f"c{n % 10}", csat=3, ces=7, nps=10, sentiment_micro=0) for n in range(20)]
    )
    row = total(client)
    for name in ("csat", "csat_mean", "ces", "ces_easy", "nps", "sentiment"):
        assert row[f"{name}_high"] - row[f"{name}_low"] > 0.05, name


def test_amounts_that_all_agree_have_no_interval_for_none_says_how_far_others_may_lie(client: Client) -> None:
    spent = {"action": "purchase", "revenue_minor": 500, "currency": "EUR"}
    publish(client, [touchpoint(n, customer_id=f"c{n % 10}", **spent) for n in range(20)])
    row = portfolio(client)[0]
    assert (row["average_order_minor"], row["average_order_minor_low"], row["average_order_minor_high"]) == (
        500,
        None,
        None,
    )
    assert row["reasons"]["average_order_minor_low"] == "too_few_answers"


def test_answers_of_the_same_people_widen_intervals_and_the_same_answers_of_others_do_not(client: Client) -> None:
    publish(
        client, [touchpoint(n, stage="alone", customer_id=f"c{n}", csat=5 if n % 40 < 20 else 1) for n in range(400)]
    )
    publish(
        client,
        [
            touchpoint(1_000 + n, stage="same", customer_id=f"c{n % 40}", csat=5 if n % 40 < 20 else 1)
            for n in range(400)
        ],
    )
    alone, same = metrics(client, by=["stage"])
    assert (alone["csat"], alone["csat_n"]) == (same["csat"], same["csat_n"])
    width = {name: row["csat_high"] - row["csat_low"] for name, row in (("alone", alone), ("same", same))}
    assert width["same"] == pytest.approx(width["alone"] * math.sqrt(10), rel=0.1)


def test_an_anonymous_person_who_is_identified_later_counts_once(client: Client) -> None:
    unknown = [touchpoint(n, customer_id="", anonymous_id=f"a{n}", csat=5) for n in range(12)]
    known = [
        touchpoint(100 + n, customer_id=f"c{n}", anonymous_id=f"a{n}", csat=1, action="identify") for n in range(6)
    ]
    publish(client, [*unknown, *known])
    assert (total(client)["csat_n"], total(client)["csat_people"]) == (18, 12)


def test_without_raw_events_there_is_a_value_and_no_interval(client: Client) -> None:
    publish(client, [answered(n, csat=5) for n in range(20)])
    client.command("TRUNCATE TABLE touchpoints")
    row = portfolio(client)[0]
    assert (row["csat"], row["csat_n"], row["csat_people"], row["csat_low"]) == (100, 20, None, None)
    assert row["reasons"]["csat_low"] == "raw_events_past_retention"
    assert "ces_low" not in row["reasons"]


# --- live

WIDTHS_OF = tuple(name for name in ANSWERS if name != "average_order_minor")
ALIKE = {"1h": (2, 250), "24h": (7, 40), "28d": (28, 10)}
"""Days that are alike, and visits an hour in them: enough for an exact interval that is itself no guess."""


def alike(days: int, visits_an_hour: int) -> list[Row]:
    """People who come back now and then and answer once to four times, with opinions of their own."""
    chance = random.Random(7)
    rows = []
    for visit in range(days * 24 * visits_an_hour):
        person, at_ms = chance.randint(0, 900), NOW_MS - 1 - visit * HOUR_MS // visits_an_hour
        mood = random.Random(person).random()
        names = {"customer_id": f"c{person}"}
        answers = [event(chance, mood, **names) for _ in range(chance.choice([1, 1, 2, 4]))]
        rows += [row | {"occurred_at": at_ms, "stage": "use"} for row in answers]
    return [row | {"log_offset": number, "event_id": f"e{number}"} for number, row in enumerate(rows)]


@pytest.mark.parametrize("name", ALIKE)
def test_live_intervals_are_as_wide_as_exact_ones_of_the_same_window_where_days_are_alike(
    client: Client, name: str
) -> None:
    window = BY_NAME[name]
    publish(client, alike(*ALIKE[name]))
    measure_effects(client, TOPIC, window, NOW_MS)
    write_rolling(client, TOPIC, [(window, NOW_MS)])
    live = next(row for row in rolling_at(client, TOPIC, window, NOW_MS, totals_only=True) if row["stage"])
    exact = metrics(client, NOW_MS - window.length_ms, NOW_MS, by=["stage"])[0]
    assert live["design_effects"]["nps"] > 1.2
    for metric in WIDTHS_OF:
        widths = [row[f"{metric}_high"] - row[f"{metric}_low"] for row in (live, exact)]
        assert widths[0] == pytest.approx(widths[1], rel=0.1), metric


def test_a_group_without_a_measured_design_effect_takes_that_of_all_events(client: Client) -> None:
    window = BY_NAME["1h"]
    publish(client, [touchpoint(n, occurred_at=NOW_MS - 1 - n, customer_id=f"c{n}", nps=n % 11) for n in range(50)])
    row = {"topic": TOPIC, "window": "1h", "group_key": [], "effects": {"nps": 4.0}, "people": 9}
    client.insert("design_effects", [list(row.values())], column_names=list(row))
    write_rolling(client, TOPIC, [(window, NOW_MS)])
    found = rolling_at(client, TOPIC, window, NOW_MS)
    assert {tuple(one["design_effects"].items()) for one in found} == {(("nps", 4.0),)}
    plain = total(client, from_ms=NOW_MS - window.length_ms, to_ms=NOW_MS)
    assert found[0]["nps_high"] - found[0]["nps_low"] > 1.8 * (plain["nps_high"] - plain["nps_low"])


def test_the_leader_measures_every_window_and_again_a_day_later(client: Client) -> None:
    publish(client, [row | {"occurred_at": NOW_MS - 1} for row in drawn(1, 30, 3, 0)])
    effects = DesignEffects(client, TOPIC)
    assert effects.step(NOW_MS) is None
    write(client, lanes=[lane(watermark=NOW_MS)])
    names = list(BY_NAME)
    measured = [effects.step(NOW_MS) for _ in names]
    assert sorted(one.name for one in measured if one) == sorted(names)
    assert effects.step(NOW_MS) is None
    another = DesignEffects(client, TOPIC)
    assert another.step(NOW_MS + 1_000) is None
    assert another.step(NOW_MS + 2 * 24 * HOUR_MS) is not None


def test_every_metric_with_an_interval_by_people_is_recomputed_here() -> None:
    quantiles = {name for name, one in shipped().statistics.items() if one.kind == "quantile"}
    assert shipped().statistics.keys() - quantiles == ANSWERS.keys()
