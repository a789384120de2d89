"""`touchstream metrics --window`: the rolling window as of now, by any groups."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.integration.test_clickhouse_metrics import publish
from tests.support.clickhouse_rows import touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas import times
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[Client]:
    """Events of ten minutes, half an hour and two hours ago."""
    now_ms = times.now_ms()
    ages = {1: 10 * MINUTE_MS, 2: 30 * MINUTE_MS, 3: 2 * HOUR_MS}
    with migrated_database(clickhouse_url) as client:
        events = [
            touchpoint(n, occurred_at=now_ms - age, channel="web" if n % 2 else "shop", nps=10)
            for n, age in ages.items()
        ]
        publish(client, events)
        yield client


@pytest.fixture
def environment(tables: Client, clickhouse_url: str) -> dict[str, str]:
    return {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(tables.database))}


def asked(environment: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["metrics", *arguments, "--json"], env=environment)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


@pytest.mark.parametrize(("window", "touches"), [("15m", 1), ("1h", 2), ("24h", 3), ("28d", 3)])
def test_a_window_holds_the_events_of_its_length(environment: dict[str, str], window: str, touches: int) -> None:
    (row,) = asked(environment, "--window", window, "--by", "none")
    assert (row["window"], row["touches"], row["nps_n"], row["customers"]) == (window, touches, touches, 1)
    assert row["completeness"] == 0.0
    assert row["tick"].endswith("Z")


def test_groups_and_filters_are_those_of_any_interval(environment: dict[str, str]) -> None:
    rows = asked(environment, "--window", "1h", "--by", "stage,channel,touchpoint")
    assert [(row["stage"], row["channel"], row["touchpoint"]) for row in rows] == [
        ("use", "shop", "page"),
        ("use", "web", "page"),
    ]
    assert [row["touches"] for row in asked(environment, "--window", "24h", "--where", "channel=web")] == [2]


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--window", "2h"], "28d"), (["--window", "1h", "--from", "-1h"], "leave out --from")]
)
def test_wrong_use_says_what_there_is(environment: dict[str, str], arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["metrics", *arguments], env=environment)
    assert result.exit_code == 2
    assert said in result.output
