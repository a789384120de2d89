"""`touchstream customer` and `touchstream transitions`, as people and programs call them."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.integration.test_journeys import write
from tests.support.clickhouse_rows import NOON_MS, lane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.deploy.local.ports import LOOPBACK
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.customers.find import customer
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.clickhouse.metrics.journeys import transitions
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

Run = Callable[..., Result]
STEPS = ["look", "buy", "look", "use"]


@pytest.fixture(scope="module")
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        bought = {"action": "purchase", "revenue_minor": 1999, "currency": "EUR", "nps": 9, "sentiment_micro": 500_000}
        steps = [touchpoint(n, occurred_at=NOON_MS + 60_000 * n, stage=stage) for n, stage in enumerate(STEPS)]
        other = touchpoint(7, customer_id="", anonymous_id="ann", journey="other", stage="[red]\x1b[2Jodd")
        write(client, [*steps, other, touchpoint(8, occurred_at=NOON_MS + 200_000, stage="use", **bought)])
        client.insert_arrow("lanes", table("lanes", [lane(watermark=NOON_MS + 240_000)]))
        yield client


@pytest.fixture
def run(client: Client, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL", database_url(clickhouse_url, client.database or ""))
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_json_is_the_view_itself(run: Run, client: Client) -> None:
    result = run("customer", "ann", "--json")
    assert result.exit_code == 0
    assert msgspec.json.decode(result.stdout, type=CustomerView) == customer(client, "ann")


def test_a_person_reads_it_in_sections(run: Run) -> None:
    result = run("customer", "ann")
    assert result.exit_code == 0
    for words in (
        "Journeys",
        "Stages, the newest first",
        "Channels",
        "Scores",
        "Value",
        "1,999",
        "EUR",
        "NPS",
        "active",
    ):
        assert words in result.stdout
    assert "+0.50 on average, n 1" in result.stdout
    assert "1 min" in result.stdout


def test_a_namesake_is_told_of_and_shown_when_asked_for(run: Run) -> None:
    assert "also an anonymous id of this name" in run("customer", "ann").stdout
    other = run("customer", "ann", "--anonymous")
    assert "Anonymous id" in other.stdout
    assert "[red]" in other.stdout
    assert "\x1b[2J" not in other.stdout


@pytest.mark.parametrize(
    "arguments", [("nobody",), ("",), ("[red]\x1b[2J\n",), ("bob", "--anonymous"), ("x", "--json")]
)
def test_nobody_is_one_line_and_exit_code_1(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("customer", *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "\x1b[2J" not in result.stderr


def test_moves_are_listed_the_most_frequent_first(run: Run, client: Client) -> None:
    found = json.loads(run("transitions", "--json").stdout)
    assert found == transitions(client)
    assert [(one["from_stage"], one["to_stage"]) for one in found] == [
        ("buy", "look"),
        ("look", "buy"),
        ("look", "use"),
    ]
    later = json.loads(run("transitions", "--json", "--from", str(NOON_MS + 90_000)).stdout)
    assert [(one["from_stage"], one["to_stage"]) for one in later] == [("buy", "look"), ("look", "use")]
    assert json.loads(run("transitions", "--json", "--journey", "other").stdout) == []
    assert "no customer moved" in run("transitions", "--journey", "other").stdout
    assert "dwell_ms_p50" in run("transitions").stdout


def test_clickhouse_away_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets the port, and not listening
        taken.bind((LOOPBACK, 0))
        monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL", f"http://{LOOPBACK}:{taken.getsockname()[1]}/x")
        for arguments in (["customer", "ann"], ["transitions"]):
            result = run(*arguments)
            assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
            assert "ClickHouse does not answer" in result.stderr


def test_claims_on_an_anonymous_id_are_shown_with_the_events_that_made_them(client: Client, run: Run) -> None:
    def identified(offset: int, customer_id: str, anonymous_id: str, minute: int) -> dict[str, Any]:
        at = NOON_MS + 60_000 * minute
        named = {"customer_id": customer_id, "anonymous_id": anonymous_id, "action": "identify", "occurred_at": at}
        return touchpoint(offset, journey="other", stage="s", **named)

    claims = [("cem", "kiosk", 5), ("dee", "kiosk", 3), ("cem", "kiosk", 7), ("cem", "phone", 9), ("eva", "cem", 1)]
    write(client, [identified(100 + at, *claim) for at, claim in enumerate(claims)])
    write(client, [identified(100, *claims[0])])  # the same row again, as after a crash
    shown = json.loads(run("identities", "show", "cem", "--json").stdout)
    assert [(one["anonymous_id"], one["customer_id"], one["counts"], one["times"]) for one in shown] == [
        ("kiosk", "dee", True, 1), ("kiosk", "cem", False, 2), ("phone", "cem", True, 1),
    ]  # fmt: skip
    assert (shown[1]["event_id"], shown[1]["log_offset"]) == ("event-100", 100)
    assert shown[1]["claimed_at"] == "2026-09-21T12:05:00.000+00:00"
    as_anonymous = json.loads(run("identities", "show", "cem", "--anonymous", "--json").stdout)
    assert [(one["anonymous_id"], one["customer_id"]) for one in as_anonymous] == [("cem", "eva")]
    assert json.loads(run("identities", "show", "phone", "--json").stdout) == shown[2:]
    assert "kiosk" in run("identities", "show", "cem").stdout
    unknown = run("identities", "show", "unknown")
    assert unknown.exit_code == 1 and "never identified" in unknown.stderr
