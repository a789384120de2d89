"""`touchstream spending`: answers and purchases in ClickHouse → a row of each person → a slope, on the real engine."""

import json
from collections.abc import Iterable, Iterator
from threading import Event

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.bench.insight.spending import spenders
from tests.support.clickhouse_rows import NOON_MS, Row, lane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.insight.spending import SpendingQuestion, SpendingRead, spending_rows
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.sink import Flush
from touchstream.streams.cli.main import app
from touchstream.streams.insight.spending.model import spending

pytestmark = pytest.mark.stack

DAY_MS = 86_400_000
THEN_MS = NOON_MS - 100 * DAY_MS
"""When people answered: their 90 days have passed at noon, which is the watermark."""


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def write(client: Client, rows: Iterable[Row]) -> None:
    tables = {"touchpoints": table("touchpoints", rows), "lanes": table("lanes", [lane()])}
    assert LaneWriter(client).write(Flush(tables), Event()) == ()


def answer(offset: int, who: str, score: int, at_ms: int = THEN_MS, **more: object) -> Row:
    return touchpoint(offset, customer_id=who, csat=score, occurred_at=at_ms, **more)


def order(offset: int, who: str, minor: int, at_ms: int, **more: object) -> Row:
    row = touchpoint(offset, customer_id=who, revenue_minor=minor, currency="EUR", occurred_at=at_ms, action="purchase")
    return row | more


def read(client: Client, **changes: object) -> SpendingRead:
    asked: dict[str, object] = {
        "score": "csat", "days": 90, "currency": None, "from_ms": None, "to_ms": None, "where": {},
    }  # fmt: skip
    return spending_rows(client, SpendingQuestion(**(asked | changes)), "touchpoints")  # type: ignore[arg-type]


def run(client: Client, clickhouse_url: str, *arguments: str) -> Result:
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
    return CliRunner().invoke(app, ["spending", *arguments], env=environment)


def test_the_command_gives_the_slope_of_the_people_that_were_written(client: Client, clickhouse_url: str) -> None:
    people = spenders(400, 0.3, np.random.default_rng(1))
    rows: list[Row] = []
    for at in range(400):
        who = f"person-{at}"
        first_ms = THEN_MS - int(people.tenure_days[at] + 90) * DAY_MS
        rows.append(touchpoint(len(rows), customer_id=who, occurred_at=first_ms, segment=people.segment[at]))
        rows.append(answer(len(rows), who, int(people.score[at])))
        for minor, day in ((people.before[at], -40), (people.after[at], 40)):
            if minor:
                rows.append(order(len(rows), who, int(minor), THEN_MS + day * DAY_MS))
    write(client, rows)
    result = run(client, clickhouse_url, "--score", "csat", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    columns = vars(people) | {"tenure_days": np.floor(people.tenure_days) + 90, "returned": np.zeros(400)}
    expected = spending(type(people)(**columns))
    assert found["adjusted"]["percent"] == pytest.approx(expected.adjusted.percent, rel=1e-6)
    assert found["adjusted"]["high"] == pytest.approx(expected.adjusted.high, rel=1e-6)
    assert (found["people"], found["buyers"], found["currency"]) == (400, expected.buyers, "EUR")
    assert found["mean_before"] == pytest.approx(people.before.mean())
    assert sum(band["people"] for band in found["by_score"]) == 400
    shown = run(client, clickhouse_url, "--score", "csat")
    assert "without holding earlier spending" in shown.stdout
    assert "not what a raised score would bring" in shown.stdout


def test_spending_counts_after_the_first_answer_and_what_came_with_it_is_before(client: Client) -> None:
    last_ms = THEN_MS + 90 * DAY_MS
    write(client, [
        touchpoint(0, customer_id="ann", occurred_at=THEN_MS - 200 * DAY_MS, segment="basic"),
        touchpoint(1, customer_id="ann", occurred_at=THEN_MS - DAY_MS, segment="premium"),
        touchpoint(2, customer_id="ann", occurred_at=THEN_MS + 1, segment="gone"),
        answer(3, "ann", 4), answer(4, "ann", 1, THEN_MS + 5),
        order(5, "ann", 100, THEN_MS), order(6, "ann", 200, THEN_MS + 1), order(7, "ann", 400, last_ms),
        order(8, "ann", 800, last_ms + 1), order(9, "ann", 1_600, THEN_MS - 90 * DAY_MS),
        order(10, "ann", 3_200, THEN_MS - 90 * DAY_MS + 1), order(11, "ann", 6_400, THEN_MS + 1, action="contact"),
        order(12, "ann", 12_800, THEN_MS + 1, currency="USD"), order(13, "ann", -50, THEN_MS + 2, action="return"),
        order(14, "ann", -70, THEN_MS, action="return"),
    ])  # fmt: skip
    found = read(client, currency="EUR")
    # Score, after, before, returned, tenure.
    assert found.columns.tolist() == [[4, 600, 3300, 50, 200]]
    assert found.segments == ("premium",)
    assert found.known_ms == NOON_MS


def test_answers_whose_days_have_not_passed_are_left_out_and_counted(client: Client) -> None:
    write(client, [
        answer(0, "ann", 4, NOON_MS - 90 * DAY_MS), answer(1, "bob", 5, NOON_MS - 90 * DAY_MS + 1),
        order(2, "ann", 100, THEN_MS),
    ])  # fmt: skip
    found = read(client)
    assert (len(found.columns), found.young) == (1, 1)
    assert len(read(client, days=89).columns) == 2


def test_purchases_before_a_customer_was_known_and_repeated_flushes_count_once_for_the_customer(client: Client) -> None:
    rows = [
        answer(0, "ann", 4),
        order(1, "", 100, THEN_MS + 1, anonymous_id="browser"),
        order(2, "ann", 10, THEN_MS + 2),
    ]
    write(client, [*rows, touchpoint(3, customer_id="ann", anonymous_id="browser", action="identify")])
    write(client, rows[1:2])
    assert [row[1] for row in read(client).columns.tolist()] == [110]


def test_conditions_are_of_the_answer_and_purchases_count_wherever_they_are(client: Client) -> None:
    write(client, [
        answer(0, "ann", 4, touchpoint="chat"), order(1, "ann", 100, THEN_MS + 1), answer(2, "bob", 5),
        answer(3, "cis", 5, THEN_MS - 1, touchpoint="chat"),
    ])  # fmt: skip
    found = read(client, where={"touchpoint": "chat"}, from_ms=THEN_MS, to_ms=THEN_MS + 1)
    assert [row[:2] for row in found.columns.tolist()] == [[4, 100]]


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "message"),
    [
        ([], ["--score", "mood"], 2, "--score mood: take one of nps, csat, ces"),
        ([answer(0, "ann", 4)], ["--score", "csat"], 1, "no purchases"),
        ([answer(0, "ann", 4), order(1, "ann", 9, THEN_MS)], ["--score", "csat"], 1, "too few people: 1 answered"),
        ([order(1, "ann", 9, THEN_MS)], ["--score", "csat", "--currency", "USD"], 1, "nothing was bought in USD"),
        ([order(1, "ann", 9, THEN_MS)], ["--score", "csat", "--days", "0"], 2, "--days"),
    ],
)
def test_questions_of_spending_that_cannot_be_answered_are_errors(
    client: Client, clickhouse_url: str, rows: list[Row], arguments: list[str], code: int, message: str
) -> None:
    if rows:
        write(client, rows)
    result = run(client, clickhouse_url, *arguments)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
