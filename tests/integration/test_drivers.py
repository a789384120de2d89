"""`touchstream drivers`: answers in ClickHouse → a matrix of people → parts, on the real engine."""

import json
from collections.abc import Iterable, Iterator
from threading import Event

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.bench.insight.drivers import survey
from tests.support.clickhouse_rows import NOON_MS, Row, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.insight import answers as reading
from touchstream.sinks.clickhouse.insight.answers import DriverAnswers, DriverQuestion, driver_answers
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.sink import Flush
from touchstream.streams.cli.main import app
from touchstream.streams.insight.drivers.analysis import analyse

pytestmark = pytest.mark.stack

WHOLE = "whole"


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def write(client: Client, rows: Iterable[Row]) -> None:
    assert LaneWriter(client).write(Flush({"touchpoints": table("touchpoints", rows)}), Event()) == ()


def answer(offset: int, who: str, at: str, score: int, instrument: str = "csat", **more: object) -> Row:
    return touchpoint(offset, customer_id=who, touchpoint=at, action="survey", **{instrument: score}, **more)


def read(client: Client, **changes: object) -> DriverAnswers:
    asked: dict[str, object] = {
        "target": "csat", "target_at": (WHOLE,), "by": "touchpoint", "answers": "csat", "side": None,
        "from_ms": None, "to_ms": None, "where": {},
    }  # fmt: skip
    return driver_answers(client, DriverQuestion(**(asked | changes)))  # type: ignore[arg-type]


def run(client: Client, clickhouse_url: str, *arguments: str) -> Result:
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
    return CliRunner().invoke(app, ["drivers", *arguments], env=environment)


def test_the_command_gives_the_parts_of_the_answers_that_were_written(client: Client, clickhouse_url: str) -> None:
    answers = survey(300, np.random.default_rng(4))
    names = [WHOLE, *(f"driver-{number}" for number in range(1, 7))]
    rows = [
        answer(7 * person + at, f"person-{person}", names[at], int(score))
        for person, scores in enumerate(answers)
        for at, score in enumerate(scores)
        if not np.isnan(score)
    ]
    write(client, rows)
    result = run(client, clickhouse_url, "--target", "csat", "--at", WHOLE, "--draws", "200", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    expected = {f"driver-{one.at + 1}": one for one in analyse(answers, 200).drivers}
    assert {row["touchpoint"] for row in found["drivers"]} == set(expected)
    assert [row["part"] for row in found["drivers"]] == sorted((row["part"] for row in found["drivers"]), reverse=True)
    for row in found["drivers"]:
        one = expected[row["touchpoint"]]
        same = ("n", "r", "part", "share", "johnson", "alone", "last", "driver")
        assert [row[name] for name in same] == pytest.approx([getattr(one, name) for name in same])
        column = answers[:, one.at + 1]
        assert row["performance"] == pytest.approx(25 * (np.nanmean(column) - 1))
    assert found["people"] == 300
    assert found["drivers"][0]["advice"] in ("concentrate here", "keep up")
    unhappy = run(client, clickhouse_url, "--target", "csat", "--at", WHOLE, "--side", "unhappy", "--json")
    first = json.loads(unhappy.stdout)["drivers"][0]
    assert first["r"] < 0
    assert first["advice"] in ("concentrate here", "keep up")
    shown = run(client, clickhouse_url, "--target", "csat", "--at", WHOLE, "--draws", "200")
    assert "need not be a cause" in shown.stdout


def test_a_person_has_the_mean_of_their_answers_and_only_answers_of_the_time_count(client: Client) -> None:
    write(client, [
        answer(0, "ann", WHOLE, 4), answer(1, "ann", WHOLE, 2), answer(2, "ann", "food", 5),
        answer(3, "ann", "food", 2), answer(4, "ann", "wifi", 1, occurred_at=NOON_MS + 1000),
        answer(5, "bob", WHOLE, 5), answer(6, "bob", "wifi", 3), answer(7, "bob", "food", 5, occurred_at=NOON_MS - 1),
        answer(8, "cis", "food", 1), answer(9, "dan", WHOLE, 1),
    ])  # fmt: skip
    found = read(client, from_ms=NOON_MS, to_ms=NOON_MS + 1000)
    assert found.items == ("food", "wifi")
    rows = sorted(found.matrix.tolist())
    assert rows == [pytest.approx([3, 3.5, np.nan], nan_ok=True), pytest.approx([5, np.nan, 3], nan_ok=True)]
    whole = read(client, from_ms=None)
    assert sorted(whole.matrix.tolist())[0] == pytest.approx([3, 3.5, 1])


def test_answers_before_a_customer_was_known_and_repeated_flushes_count_once_for_the_customer(client: Client) -> None:
    rows = [answer(0, "", "food", 1, anonymous_id="browser"), answer(1, "ann", "food", 4), answer(2, "ann", WHOLE, 4)]
    write(client, [*rows, touchpoint(3, customer_id="ann", anonymous_id="browser", action="identify")])
    # Of two answers one is written again: counted twice it would weigh more.
    write(client, rows[1:2])
    assert read(client).matrix.tolist() == [[4, 2.5]]


def test_an_answer_to_the_target_is_no_driver_and_another_instrument_beside_it_is(client: Client) -> None:
    write(
        client,
        [answer(0, "ann", WHOLE, 9, "nps", csat=2), answer(1, "ann", "food", 5), answer(2, "ann", "food", 0, "nps")],
    )
    found = read(client, target="nps")
    assert dict(zip(found.items, found.matrix[0, 1:], strict=True)) == {"food": 5, WHOLE: 2}
    assert found.matrix[0, 0] == 9
    assert read(client, target="nps", answers="nps").items == ("food",)
    assert read(client, target="nps", target_at=(), answers="csat").matrix[0, 0] == 4.5


def test_a_side_is_the_share_of_answers_that_are_on_it(client: Client) -> None:
    write(client, [answer(0, "ann", WHOLE, 2), answer(1, "ann", WHOLE, 3), answer(2, "ann", "food", 5)])
    assert read(client, side="unhappy").matrix.tolist() == [[0.5, 5]]
    assert read(client, side="happy").matrix.tolist() == [[0, 5]]


def test_of_too_many_people_one_in_so_many_is_read_always_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(client, [
        answer(2 * person + at, f"person-{person}", name, person % 5 + 1)
        for person in range(600) for at, name in enumerate((WHOLE, "food"))
    ])  # fmt: skip
    monkeypatch.setattr(reading, "PEOPLE_MAX", 250)
    found = read(client)
    assert found.one_in == 3
    assert 130 < len(found.matrix) < 270
    assert (read(client).matrix == found.matrix).all()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "mood"], 2, "--target mood: take one of nps, csat, ces"),
        (["--target", "csat"], 2, "say with --at which answers to csat are the target"),
        (["--target", "csat", "--at", WHOLE, "--by", "colour"], 2, "take one of touchpoint, stage, channel"),
        (["--target", "csat", "--at", WHOLE, "--side", "left"], 2, "take one of unhappy, happy"),
        (["--target", "csat", "--at", "nowhere"], 1, "no person answered csat at 'nowhere'"),
        (["--target", "csat", "--at", WHOLE], 1, "no driver has the 100 people"),
        (["--target", "csat", "--at", WHOLE, "--from", "2026-09-02", "--to", "2026-09-01"], 2, "the interval is empty"),
        (["--target", "csat", "--at", WHOLE, "--where", "colour=red"], 2, "write it as journey|stage"),
    ],
)
def test_questions_that_cannot_be_answered_are_an_error_of_one_line(
    client: Client, clickhouse_url: str, arguments: list[str], code: int, message: str
) -> None:
    write(client, [answer(0, "ann", WHOLE, 4), answer(1, "ann", "food", 4)])
    result = run(client, clickhouse_url, *arguments)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert len(result.stderr.splitlines()) == 1
