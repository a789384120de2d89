"""ClickHouse lost: a backup, or Kafka's log alone, ends in the tables that were there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.measuring import DERIVED, NEW, OLD, Stand, events, measure, rows, standing
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.customers.person import Person
from touchstream.sinks.clickhouse.upkeep.erasure import came_back, erase
from touchstream.streams.broker.control_records import Control
from touchstream.streams.upkeep.forget import announce

pytestmark = pytest.mark.stack


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as stand:
        yield stand


def lost(client: Client) -> None:
    client.command("DROP DATABASE {name:Identifier} SYNC", {"name": client.database}, use_database=False)


def tables(client: Client) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(client, table) for table in (*DERIVED, "definitions", "journey_stages")}


def test_a_backup_that_is_taken_while_lanes_go_on_and_what_kafka_holds_end_in_the_same_tables(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 200))
    measure(settings)
    client = connect_directly(settings.clickhouse_url)
    name = str(client.database)  # in these statements it can't be a parameter
    client.command(f"BACKUP TABLE {name}.lanes TO Disk('backups', '{name}-lanes')", use_database=False)
    stand.init(NEW)
    stand.publish(*events(150, 200))
    measure(settings)
    client.command(
        f"BACKUP DATABASE {name} EXCEPT TABLES {name}.lanes TO Disk('backups', '{name}')", use_database=False
    )
    stand.publish(*events(350, 200))
    measure(settings)
    before = tables(client)
    lost(client)
    client.command(f"RESTORE DATABASE {name} FROM Disk('backups', '{name}')", use_database=False)
    client.command(f"RESTORE TABLE {name}.lanes FROM Disk('backups', '{name}-lanes')", use_database=False)
    stand.init(NEW)
    measure(settings)
    assert tables(client) == before
    assert {one["stage"] for one in before["stage_panes"]} > {"discover", "browse"}


def test_an_empty_clickhouse_is_filled_again_from_kafka_alone(stand: Stand) -> None:
    settings = stand.init(OLD)
    for first in (0, 150):
        stand.publish(*events(first, 200))
        measure(settings)
    client = connect_directly(settings.clickhouse_url)
    before = tables(client)
    lost(client)
    stand.init(OLD)
    measure(settings)
    found = tables(client)
    for table in (*DERIVED, "journey_stages"):
        assert found[table] == before[table] != [] or table == "erasures", table


def test_a_backup_from_before_an_erasure_brings_nobody_back_while_kafka_still_holds_the_record(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 50))
    measure(settings)
    client = connect_directly(settings.clickhouse_url)
    name = str(client.database)
    client.command(f"BACKUP DATABASE {name} TO Disk('backups', '{name}-before')", use_database=False)
    person = Person(str(client.command("SELECT any(customer_id) FROM touchpoints WHERE customer_id != ''")), ())
    held = "SELECT count() FROM touchpoints FINAL WHERE customer_id = {id:String}"
    assert client.command(held, {"id": person.customer_id})
    announce(Control.of(settings, client), person.hashes(None))
    measure(settings)
    erase(client)
    assert client.command(held, {"id": person.customer_id}) == 0
    lost(client)
    client.command(f"RESTORE DATABASE {name} FROM Disk('backups', '{name}-before')", use_database=False)
    assert client.command(held, {"id": person.customer_id})
    measure(settings)
    # What the leading worker does first, and every minute after it.
    assert came_back(client, 366 * 86_400)
    erase(client)
    assert client.command(held, {"id": person.customer_id}) == 0
