"""`touchstream metrics` of more names than anybody reads: bounded, and what is left out is said."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from tests.integration.test_clickhouse_metrics import publish
from tests.support.clickhouse_rows import touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas import times
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.cli import output
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

NAMES = 1_200
HOSTILE = ("*", "other", "", "[bold]", "a/b", "%2A", "🙂")


@pytest.fixture(scope="module")
def environment(clickhouse_url: str) -> Iterator[dict[str, str]]:
    """A touch of each of NAMES touchpoints, and two more of each hostile one, which so are the busiest."""
    now_ms = times.now_ms()
    names = [f"name-{n:04}" for n in range(NAMES - len(HOSTILE))] + list(HOSTILE) * 3
    with migrated_database(clickhouse_url) as client:
        publish(client, [touchpoint(n, occurred_at=now_ms, touchpoint=name) for n, name in enumerate(names)])
        yield {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}


def asked(environment: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["metrics", "--by", "touchpoint", *arguments], env=environment)


def test_a_table_is_bounded_and_says_what_it_leaves_out(environment: dict[str, str]) -> None:
    bounded, whole = asked(environment), asked(environment, "--limit", "0")
    assert f"{NAMES - 1_000:,} more rows" in bounded.stderr
    assert len(whole.stdout.splitlines()) - len(bounded.stdout.splitlines()) == NAMES - 1_000
    assert whole.stderr == ""


def test_the_busiest_names_are_kept_in_order_whatever_they_are_called(environment: dict[str, str]) -> None:
    result = asked(environment, "--limit", str(len(HOSTILE)), "--json")
    rows = json.loads(result.stdout)
    assert [row["touchpoint"] for row in rows] == sorted(HOSTILE, key=str.encode)
    assert {row["touches"] for row in rows} == {3}
    assert f"{NAMES - len(HOSTILE):,} more rows" in result.stderr


def test_json_is_whole_or_refused(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(json.loads(asked(environment, "--json").stdout)) == NAMES
    monkeypatch.setattr(output, "JSON_ROWS_MAX", NAMES - 1)
    refused = asked(environment, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "1,200 rows: take --limit 0" in refused.stderr
    assert len(json.loads(asked(environment, "--json", "--limit", "0").stdout)) == NAMES
    assert asked(environment, "--limit", "-1").exit_code == 2
