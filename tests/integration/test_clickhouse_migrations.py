"""Migrations against a real ClickHouse: repeated, interrupted, at once, and refused."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.databases import empty_database
from touchstream.schemas.alert_state import Group
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.migrations.migrate import (
    Migrating,
    Migration,
    MigrationError,
    known_migrations,
    migrate,
)

pytestmark = pytest.mark.stack

NAMES = [migration.name for migration in known_migrations()]
A_TABLE = Migration(1, "0001_one", "CREATE TABLE IF NOT EXISTS one (a Int8) ENGINE = MergeTree ORDER BY a;")


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with empty_database(clickhouse_url) as client:
        yield client


def tables(client: Client) -> list[str]:
    return [name for (name,) in client.query("SHOW TABLES").result_rows]


def retention_days(client: Client, table: str = "touchpoints") -> int:
    created = client.command("SHOW CREATE TABLE {table:Identifier}", {"table": table})
    found = re.search(r"toIntervalDay\((\d+)\)", str(created))
    assert found
    return int(found[1])


def test_a_missing_database_is_made_with_all_its_tables(client: Client) -> None:
    assert migrate(client, Migrating()) == NAMES
    assert {"touchpoints", "stage_panes", "lanes", "dead_letters", "schema_migrations"} <= {*tables(client)}


def test_again_and_again_without_harm(client: Client) -> None:
    migrate(client, Migrating())
    assert [migrate(client, Migrating()) for _ in range(3)] == [[], [], []]


def test_several_processes_at_once_end_in_the_same_tables(client: Client, clickhouse_url: str) -> None:
    others = [connect(database_url(clickhouse_url, str(client.database))) for _ in range(4)]
    with ThreadPoolExecutor(len(others)) as together:
        list(together.map(lambda other: migrate(other, Migrating()), others))
    assert migrate(client, Migrating()) == []
    assert client.command("SELECT count() FROM schema_migrations FINAL") == len(NAMES)


def test_an_interrupted_migration_is_done_again_from_its_start(client: Client) -> None:
    broken = Migration(2, "0002_two", "CREATE TABLE IF NOT EXISTS two (a Int8) ENGINE = Memory; CREATE TABLE oh no")
    mended = Migration(2, "0002_two", broken.text.replace("oh no", "IF NOT EXISTS three (a Int8) ENGINE = Memory"))
    with pytest.raises(DatabaseError):
        migrate(client, Migrating(), (A_TABLE, broken))
    assert migrate(client, Migrating(), (A_TABLE, mended)) == ["0002_two"]
    assert {"one", "two", "three"} <= {*tables(client)}


def test_a_migration_whose_text_has_changed_is_refused_by_name(client: Client) -> None:
    migrate(client, Migrating(), (A_TABLE,))
    with pytest.raises(MigrationError, match=r"0001_one.*put the file back"):
        migrate(client, Migrating(), (Migration(1, "0001_one", A_TABLE.text + " "),))


def test_a_database_that_is_newer_than_the_code_is_refused(client: Client) -> None:
    migrate(
        client,
        Migrating(),
        (A_TABLE, Migration(2, "0002_two", "CREATE TABLE IF NOT EXISTS two (a Int8) ENGINE = Memory")),
    )
    with pytest.raises(MigrationError, match=r"0002_two.*newer"):
        migrate(client, Migrating(), (A_TABLE,))
    assert "touchpoints" not in tables(client)


def test_groups_of_before_are_the_same_groups_by_their_key(client: Client) -> None:
    """Until 0017 `*` in a column stood for all together."""
    before = known_migrations()[:16]
    migrate(client, Migrating(), before)
    at = datetime.now(UTC).replace(microsecond=0)
    place = {"topic": "touchpoints", "window": "5m", "tick": at}
    groups = [
        ("customer", "*", "*", "*"),
        ("customer", "use", "*", "*"),
        ("customer", "use", "web", ""),
        ("", "a", "*", "b"),
    ]
    names = ("journey", "stage", "channel", "segment")
    for number, group in enumerate(groups):
        named = dict(zip(names, group, strict=True))
        rolling = place | named | {"completeness": 1.0, "touches": number, "nps": float(number), "nps_n": 1}
        alert = {"topic": "touchpoints", "rule": "r", "tick": at, "state": "firing", "since": at, "n": number} | named
        client.insert("stage_metrics", [list(rolling.values())], list(rolling))
        client.insert("alerts", [list(alert.values())], list(alert))
        change = alert | {"key": str(number), "destinations": ["webhook"]}
        client.insert("alert_changes", [list(change.values())], list(change))
    client.insert("journey_metrics", [[*place.values(), "customer", "*", 7]], [*place, "journey", "stage", "entered"])
    migrate(client, Migrating())
    migrate(client, Migrating())
    expected = {tuple(None if name == "*" else name for name in group): n for n, group in enumerate(groups)}
    said = "SELECT journey, stage, channel, segment, {number:Identifier} FROM {table:Identifier}"
    for table, column in (
        ("stage_metrics", "touches"),
        ("alerts", "n"),
        ("alert_changes", "n"),
        ("stage_now", "touches"),
    ):
        found = client.query(said, {"number": column, "table": table}).result_rows
        assert {tuple(row[:4]): row[4] for row in found} == expected, table
    assert client.query("SELECT dimensions, journey, stage, entered FROM journey_now").result_rows == [
        (["journey"], "customer", None, 7)
    ]
    assert {alert.group for alert in AlertTables(client, "touchpoints").alerts()} == {
        Group(*group) for group in expected
    }


def test_raw_events_and_dead_letters_are_kept_as_long_as_the_settings_say_now(client: Client) -> None:
    kept = []
    for days in (7, 7, 90):
        migrate(client, Migrating(raw_retention_days=days, dead_letter_retention_days=2 * days))
        kept.append((retention_days(client), retention_days(client, "dead_letters")))
    assert kept == [(7, 14), (7, 14), (90, 180)]
