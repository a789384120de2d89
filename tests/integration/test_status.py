"""`touchstream status`: what runs and how far it is, for people and for scripts."""

import json
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.browser.rolling_rows import write_lanes
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

HOUR_MS = 3_600_000


@pytest.fixture
def tables(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def status(clickhouse_url: str, tables: Client, *arguments: str) -> Result:
    url = database_url(clickhouse_url, str(tables.database))
    return CliRunner().invoke(app, ["status", *arguments], env={"TOUCHSTREAM_CLICKHOUSE_URL": url, "COLUMNS": "100"})


def states(done: Result) -> dict[str, str]:
    return {row["part"]: row["state"] for row in json.loads(done.stdout)}


def test_a_stack_that_has_done_nothing_is_unknown_and_no_error(clickhouse_url: str, tables: Client) -> None:
    done = status(clickhouse_url, tables, "--json")
    assert done.exit_code == 0, done.output
    found = states(done)
    assert found.pop("Notifications") == "good"
    assert {*found.values()} == {"unknown"}


def test_a_part_that_is_away_is_named_with_what_to_do_and_the_exit_code_is_1(
    clickhouse_url: str, tables: Client
) -> None:
    write_lanes(tables, ago_ms=HOUR_MS, clock_ago_ms=HOUR_MS)
    done = status(clickhouse_url, tables, "--json")
    assert (done.exit_code, states(done)["Workers → ClickHouse"]) == (1, "away")
    done = status(clickhouse_url, tables)
    assert done.exit_code == 1
    assert "Workers → ClickHouse: is a worker running, does Kafka answer?" in done.stdout


def test_lanes_that_keep_up_are_good(clickhouse_url: str, tables: Client) -> None:
    write_lanes(tables)
    done = status(clickhouse_url, tables, "--json")
    assert (done.exit_code, states(done)["Workers → ClickHouse"]) == (0, "good")
    (row,) = (row for row in json.loads(done.stdout) if row["part"] == "Kafka → workers")
    assert row["up_to"] is not None


def test_a_clickhouse_that_is_away_is_said_in_a_line() -> None:
    url = "http://default@127.0.0.1:9/none"
    done = CliRunner().invoke(app, ["status"], env={"TOUCHSTREAM_CLICKHOUSE_URL": url})
    assert done.exit_code == 1
    assert "ClickHouse does not answer" in done.stderr
