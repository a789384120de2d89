"""A database of any earlier version, with rows in it, becomes what one of this version would be."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_rows import NOON_MS, Row, dead_letter, empty_database, lane, panes_of, table, touchpoint
from touchstream.schemas.journey import Journeys
from touchstream.schemas.paths import stage_paths
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import portfolio, record_stages
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, known_migrations, migrate
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile

pytestmark = pytest.mark.stack

VERSIONS = known_migrations()
JOURNEY = '{"format": 1, "journeys": [{"id": "default", "stages": [{"id": "use"}, {"id": "leave"}]}]}'
EVENTS = [
    touchpoint(
        n,
        occurred_at=NOON_MS + n * 1_000,
        customer_id="" if n % 3 else f"c{n % 5}",
        anonymous_id=f"a{n % 7}",
        action="identify" if n % 15 == 0 else "contact",
        stage=("use", "leave")[n % 2],
        nps=n % 11,
    )
    for n in range(60)
]
ROWS: dict[str, list[Row]] = {
    "touchpoints": EVENTS,
    "stage_panes": panes_of(EVENTS),
    "dead_letters": [dead_letter(60)],
    "lanes": [lane(next_offset=61, watermark=NOON_MS + 60_000)],
}


def fill(client: Client) -> None:
    """The rows of a worker of that version: without the columns that came later."""
    record_definitions(client, "v1", "{}", in_force=True)
    for name, rows in ROWS.items():
        there = {column for (column, *_) in client.query(f"DESCRIBE TABLE {name}").result_rows}
        whole = table(name, rows)
        client.insert_arrow(name, whole.select([column for column in whole.column_names if column in there]))


def tables(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Every row that stands of every table, without when it was written."""
    clocks = {"inserted_at", "written_at", "applied_at", "in_force_since"}
    there = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replacing%'"
    )
    found = {}
    for (name,) in there.result_rows:
        rows = client.query("SELECT * FROM {name:Identifier} FINAL", {"name": name}).named_results()
        found[name] = sorted(({k: v for k, v in row.items() if k not in clocks} for row in rows), key=repr)
    return found


@pytest.fixture(scope="module")
def whole(clickhouse_url: str) -> Iterator[Client]:
    """A database that was of this version from the beginning."""
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating())
        fill(client)
        record_stages(client, "v1", stage_paths(Journeys(JOURNEY).journeys))
        yield client


@pytest.mark.parametrize("version", VERSIONS[:-1], ids=lambda version: str(version.name))
def test_each_earlier_version_with_rows_in_it_becomes_this_one(
    clickhouse_url: str, whole: Client, version: Any
) -> None:
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating(), VERSIONS[: version.number])
        fill(client)
        assert migrate(client, Migrating()) == [one.name for one in VERSIONS[version.number :]]
        record_stages(client, "v1", stage_paths(Journeys(JOURNEY).journeys))
        assert tables(client) == tables(whole)
        assert portfolio(client, by=("stage",)) == portfolio(whole, by=("stage",))
        compared = reconcile(client)
        assert (compared.differing, compared.panes > 0) == (0, True)
