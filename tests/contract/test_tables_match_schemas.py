"""The migrated tables are what `sinks.clickhouse.rows` says that they are: columns, types, keys and versions."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.rows import DEFINITIONS, TABLES

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def columns(schema: pa.Schema) -> list[tuple[str, str, bool]]:
    """Name, type and whether nulls are taken. ClickHouse has one type for text and bytes, and no nulls in arrays."""
    return [
        (field.name, str(field.type).replace(" not null", "").replace("binary", "string"), field.nullable)
        for field in schema
    ]


@pytest.mark.parametrize("table", [*TABLES, "definitions"])
def test_columns_that_are_sent_and_those_the_server_fills_in_are_all_of_a_table_in_their_order(
    client: Client, table: str
) -> None:
    declared = TABLES[table].schema if table in TABLES else DEFINITIONS
    filled_by_server = TABLES[table].filled_by_server if table in TABLES else ()
    found = client.query_arrow("SELECT * FROM {table:Identifier} WHERE false", parameters={"table": table}).schema
    sent = pa.schema([field for field in found if field.name not in filled_by_server])
    assert columns(sent) == columns(declared)
    assert found.names == [*declared.names, *filled_by_server]


@pytest.mark.parametrize("table", TABLES)
def test_of_rows_with_one_key_the_declared_version_stands(client: Client, table: str) -> None:
    query = (
        "SELECT sorting_key, engine_full FROM system.tables WHERE database = currentDatabase() AND name = {t:String}"
    )
    key, engine = client.query(query, parameters={"t": table}).result_rows[0]
    version = TABLES[table].version
    assert key == ", ".join(TABLES[table].key)
    assert engine.split(" ")[0] == ("ReplacingMergeTree" if version is None else f"ReplacingMergeTree({version})")


@pytest.mark.parametrize("table", TABLES)
def test_no_column_depends_on_the_clock_of_who_writes_it(client: Client, table: str) -> None:
    """Written again, a row is the same row: what the server fills in is no part of the key or the version."""
    truth = TABLES[table]
    assert not set(truth.filled_by_server) & {*truth.key, truth.version}
