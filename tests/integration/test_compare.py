"""`touchstream compare`: touches in ClickHouse → sums of places → an effect, on the real engine."""

import json
from collections.abc import Iterable, Iterator
from threading import Event

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.support.clickhouse_rows import NOON_MS, Row, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.insight.places import PlaceQuestion, places
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.sink import Flush
from touchstream.streams.cli.main import app
from touchstream.streams.insight.change.effect import effect_of, two_groups
from touchstream.streams.insight.change.places import PlaceSums

pytestmark = pytest.mark.stack

DAY_MS = 86_400_000
AT_MS = NOON_MS - 20 * DAY_MS
SHOPS = 8


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture(scope="module")
def shops(clickhouse_url: str) -> Iterator[Client]:
    """CSAT of 12 people a shop, before and after; shop-0 gains a point in most answers."""
    with migrated_database(clickhouse_url) as client:
        write(client, shop_rows())
        yield client


def shop_rows() -> list[Row]:
    random = np.random.default_rng(1)
    rows: list[Row] = []
    for shop in range(SHOPS):
        for person in range(12):
            for day in (-9, -3, 4):
                score = int(random.integers(2, 5)) + (shop == 0 and day > 0)
                at_ms = AT_MS + day * DAY_MS
                rows.append(answer(len(rows), f"{shop}-{person}", f"shop-{shop}", score, at_ms))
    return rows


def write(client: Client, rows: Iterable[Row]) -> None:
    assert LaneWriter(client).write(Flush({"touchpoints": table("touchpoints", rows)}), Event()) == ()


def answer(offset: int, who: str, at: str, score: int, at_ms: int, **more: object) -> Row:
    return touchpoint(offset, customer_id=who, touchpoint=at, csat=score, occurred_at=at_ms, **more)


def asked(**changes: object) -> PlaceQuestion:
    question: dict[str, object] = {
        "metric": "csat_mean", "by": "touchpoint", "named": (), "from_ms": AT_MS - 10,
        "before_to_ms": AT_MS, "after_from_ms": AT_MS,
        "to_ms": AT_MS + 10, "where": {},
    }  # fmt: skip
    return PlaceQuestion(**(question | changes))  # type: ignore[arg-type]


def run(client: Client, clickhouse_url: str, *arguments: str) -> Result:
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
    return CliRunner().invoke(app, ["compare", *arguments], env=environment)


COMPARE = ("--metric", "csat_mean", "--at", str(AT_MS), "--changed", "shop-0", "--before", "10d", "--after", "10d")


def test_the_command_gives_the_effect_of_the_answers_that_were_written(shops: Client, clickhouse_url: str) -> None:
    result = run(shops, clickhouse_url, *COMPARE, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    scores: dict[str, dict[str, list[int]]] = {}
    for row in shop_rows():
        when = "before" if row["occurred_at"] < AT_MS else "after"
        scores.setdefault(row["touchpoint"], {"before": [], "after": []})[when].append(row["csat"])
    names = [f"shop-{shop}" for shop in range(SHOPS)]
    moved = np.array([np.mean(scores[name]["after"]) - np.mean(scores[name]["before"]) for name in names])
    spread = np.array([row["error"] ** 2 for row in found["places"]])
    expected = effect_of(moved, spread, np.arange(SHOPS) == 0)
    assert [row["touchpoint"] for row in found["places"]] == names
    assert [row["difference"] for row in found["places"]] == pytest.approx(list(moved))
    assert (found["effect"], found["low"], found["p"]) == pytest.approx((expected.effect, expected.low, expected.p))
    assert (found["degrees"], found["people_by_place"]) == (SHOPS - 2, 12 * SHOPS)
    assert found["placebo"]["tried"] == SHOPS - 1
    # The change came later: between the two days before it nothing happened.
    assert found["pre_trend"]["low"] < 0 < found["pre_trend"]["high"]
    assert sum(span["people"] for span in found["series"] if span["changed"]) == 36
    shown = run(shops, clickhouse_url, *COMPARE)
    assert "places without the change" in shown.stdout
    assert "would have gone on like the others" in shown.stdout


def test_sums_are_of_people_and_their_values_before_and_from_the_date_on(client: Client) -> None:
    write(client, [
        answer(0, "ann", "a", 5, AT_MS - 10), answer(1, "ann", "a", 2, AT_MS - 1), answer(2, "ann", "a", 4, AT_MS),
        answer(3, "bob", "a", 1, AT_MS + 9), answer(4, "bob", "a", 1, AT_MS + 10), answer(5, "bob", "a", 1, AT_MS - 11),
        answer(6, "", "a", 3, AT_MS - 5, anonymous_id="browser"), answer(7, "cis", "b", 3, AT_MS),
        touchpoint(8, customer_id="bob", anonymous_id="browser", action="identify"),
    ])  # fmt: skip
    read = places(client, asked())
    assert (read.names, read.places_in_all) == (("a", "b"), 2)
    sums = PlaceSums(*read.sums.T).of(np.array([True, False]))
    expected = {
        "people_b": 2, "people_a": 2, "kb": 3, "ka": 2, "sb": 10, "sa": 5, "sb_sb": 49 + 9, "sb_kb": 14 + 3, "kb_kb": 5,
        "sa_sa": 17, "sa_ka": 5, "ka_ka": 2, "sb_sa": 28 + 3, "sb_ka": 7 + 3, "sa_kb": 8 + 1, "kb_ka": 3,
    }  # fmt: skip
    assert {name: float(column[0]) for name, column in vars(sums).items()} == expected
    assert list(read.people[0]) == pytest.approx([2, 2, 3.25, 2.5, 0.125, 4.5])


def test_touches_between_two_periods_are_in_neither_and_none_is_one_place(client: Client) -> None:
    write(client, [
        answer(0, "ann", "a", 5, AT_MS - 10), answer(1, "ann", "b", 1, AT_MS - 5), answer(2, "bob", "b", 2, AT_MS + 5),
        answer(3, "cis", "c", 2, AT_MS),
    ])  # fmt: skip
    read = places(client, asked(by="none", before_to_ms=AT_MS - 5, after_from_ms=AT_MS + 5))
    assert read.names == ("",)
    assert list(read.sums[0][:6]) == [1, 1, 1, 1, 5, 2]
    apart = places(client, asked(before_to_ms=AT_MS - 5, after_from_ms=AT_MS + 5))
    assert {name: list(row[2:4]) for name, row in zip(apart.names, apart.sums, strict=True)} == {
        "a": [1, 0], "b": [0, 1],
    }  # fmt: skip


def test_the_time_before_is_split_in_its_middle_and_ends_with_the_change() -> None:
    question = asked(from_ms=0, before_to_ms=10, after_from_ms=10, to_ms=99)
    assert question.before_only() == asked(from_ms=0, before_to_ms=5, after_from_ms=5, to_ms=10)


@pytest.mark.parametrize(
    ("metric", "row", "value"),
    [
        ("nps", {"nps": 9}, 100), ("nps", {"nps": 8}, 0), ("nps", {"nps": 6}, -100), ("csat", {"csat": 4}, 100),
        ("csat", {"csat": 3}, 0), ("ces", {"ces": 7}, 7), ("success_rate", {"outcome": "success"}, 100),
        ("success_rate", {"outcome": "abandoned"}, 0),
    ],
)  # fmt: skip
def test_a_metric_is_the_mean_of_what_its_touches_say(
    client: Client, metric: str, row: dict[str, object], value: float
) -> None:
    write(client, [touchpoint(0, occurred_at=AT_MS, **row), touchpoint(1, occurred_at=AT_MS)])
    read = places(client, asked(metric=metric))
    assert (read.sums[0][3], read.sums[0][5]) == (1, value)


def test_a_touch_that_was_written_twice_counts_once(client: Client) -> None:
    rows = [answer(0, "ann", "a", 5, AT_MS), answer(1, "ann", "a", 1, AT_MS)]
    write(client, rows)
    write(client, rows[:1])
    assert places(client, asked()).sums[0][5] == 6


def test_a_random_split_of_people_is_compared_by_its_people(client: Client, clickhouse_url: str) -> None:
    random = np.random.default_rng(2)
    rows: list[Row] = []
    cells = np.empty((2, 2, 15))
    for group in (0, 1):
        for person in range(15):
            for period in (0, 1):
                score = cells[group, period, person] = random.integers(1, 6)
                when = AT_MS + (period or -1) * DAY_MS
                rows.append(answer(len(rows), f"{group}-{person}-{period}", "a", int(score), when, segment="xy"[group]))
    write(client, rows)
    result = run(client, clickhouse_url, *COMPARE[:4], "--by", "segment", "--changed", "y", "--randomised", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    expected = two_groups(np.full((2, 2), 15), cells.mean(axis=2), cells.var(axis=2, ddof=1))
    assert (found["effect"], found["error"]) == pytest.approx((expected.effect, expected.error))
    assert "chance alone" in found["caveat"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metric", "mood", *COMPARE[2:]], 2, "--metric mood: take one of nps, csat"),
        ([*COMPARE, "--by", "colour"], 2, "--by colour: take one of journey, stage"),
        ([*COMPARE, "--changed", "nowhere"], 1, "no csat_mean at the touchpoint 'nowhere'"),
        ([*COMPARE, "--after", "soon"], 2, "'soon' is no length of time; take 28d"),
        ([*COMPARE, "--randomised"], 1, "there are 8 values of touchpoint and 1 are named"),
        ([*COMPARE, "--where", "touchpoint=shop-0"], 1, "too few places: 1 with the change and 0 without"),
        (["--metric", "csat", "--at", "2100-01-01", "--changed", "shop-0"], 1, "the change is still to come"),
    ],
)
def test_comparisons_that_cannot_be_made_are_an_error_of_one_line(
    shops: Client, clickhouse_url: str, arguments: list[str], code: int, message: str
) -> None:
    result = run(shops, clickhouse_url, *arguments)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert len(result.stderr.splitlines()) == 1


def test_places_with_too_few_people_are_left_out_and_named(shops: Client, clickhouse_url: str) -> None:
    write(shops, [answer(1000, "one", "kiosk", 5, AT_MS - DAY_MS), answer(1001, "one", "kiosk", 5, AT_MS + DAY_MS)])
    found = json.loads(run(shops, clickhouse_url, *COMPARE, "--json").stdout)
    assert found["left_out"] == [{"touchpoint": "kiosk", "reason": "too_few_people"}]
    assert len(found["places"]) == SHOPS
