"""Plain rows of the lane's tables, and a database of one's own to write them to."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tests.oracle.panes import empty_pane, pane_keys, touch
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate
from touchstream.sinks.clickhouse.rows import TABLES

Row = dict[str, Any]
PANE_KEY = ("resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment")
HOUR_MS = 3_600_000
NOON_MS = 497_220 * HOUR_MS
"""An instant of 2026 at which panes of every resolution begin."""


def database_url(server_url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


@contextmanager
def empty_database(server_url: str) -> Iterator[Client]:
    """A client whose database, of a name of its own, doesn't exist yet; dropped at the end."""
    client = connect(database_url(server_url, f"test_{uuid4().hex}"))
    try:
        yield client
    finally:
        client.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": client.database}, use_database=False)
        client.close()


@contextmanager
def migrated_database(server_url: str) -> Iterator[Client]:
    """A client of a database of its own, with all tables and no rows; dropped at the end.

    Made by the statements that ClickHouse says would make what the migrations made: a third of their work.
    """
    statements, records = _migrated(server_url)
    with empty_database(server_url) as client:
        name = str(client.database)
        for statement in (f"CREATE DATABASE {_NAME}", *statements):
            client.command(statement.replace(_NAME, name), use_database=False)
        client.insert_arrow("schema_migrations", records)
        yield client


_NAME = "the_name_of_the_database"


@cache
def _migrated(server_url: str) -> tuple[tuple[str, ...], pa.Table]:
    """Statements that make the tables in a database `_NAME`, what others read from first; and the records of them."""
    made = (
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase()"
        " ORDER BY engine = 'View', engine = 'MaterializedView', name"
    )
    with empty_database(server_url) as client:
        migrate(client, Migrating())
        found = tuple(text.replace(str(client.database), _NAME) for (text,) in client.query(made).result_rows)
        return found, client.query_arrow("SELECT * FROM schema_migrations FINAL")


def touchpoint(offset: int = 0, **changes: Any) -> Row:
    """A row of `touchpoints`: a plain contact at noon."""
    row: Row = {
        "log_id": "log", "partition": 0, "log_offset": offset, "record_at": NOON_MS, "lane_clock": NOON_MS,
        "definitions": "v1", "event_id": f"event-{offset}", "occurred_at": NOON_MS, "customer_id": "ann",
        "anonymous_id": "", "journey": "default", "stage": "use", "channel": "web", "touchpoint": "page", "segment": "",
        "declared": True, "late": False, "action": "contact", "outcome": "", "duration_ms": None, "nps": None,
        "csat": None, "ces": None, "sentiment_micro": None, "revenue_minor": None, "currency": "", "attributes": [],
        "received_at": None, "source": "", "sent_by": "", "kafka_key": None,
    }  # fmt: skip
    return row | changes


def pane(**changes: Any) -> Row:
    """A row of `stage_panes` that has seen nothing, of the hour at noon."""
    names = {"journey": "default", "stage": "use", "channel": "web", "touchpoint": "page", "segment": ""}
    place: Row = {"log_id": "log", "partition": 0, "resolution_s": 3600, "pane_start": NOON_MS}
    return place | names | empty_pane() | changes


def panes_of(touchpoints: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The panes of all resolutions that hold these events, by the oracle."""
    panes: dict[tuple[Any, ...], Row] = {}
    for row in touchpoints:
        for key in pane_keys(row):
            lane = (row["log_id"], row["partition"])
            place = dict(zip(PANE_KEY, key, strict=True)) | {"log_id": lane[0], "partition": lane[1]}
            found = panes.setdefault((*lane, *key), place | empty_pane())
            touch(found, row)
            found["log_offset"] = max(found["log_offset"], row["log_offset"])
    return list(panes.values())


def lane(**changes: Any) -> Row:
    """A row of `lanes` that has seen everything up to noon."""
    row: Row = {
        "topic": "touchpoints", "partition": 0, "log_id": "log", "generation": 1, "next_offset": 1,
        "lane_clock": NOON_MS, "occurred_max": NOON_MS, "watermark": NOON_MS, "definitions": "v1",
        "predecessor_log_id": "", "predecessor_next_offset": 0, "ids_since": 0,
        "ids_from": -(2**62),  # as rows of the time before that column
        "control_sequence": 0, "control_keys": "",
    }  # fmt: skip
    return row | changes


def dead_letter(offset: int = 0, **changes: Any) -> Row:
    """A row of `dead_letters`."""
    row: Row = {
        "log_id": "log", "partition": 0, "log_offset": offset, "topic": "touchpoints", "record_at": NOON_MS,
        "reason": "undecodable", "detail": "truncated", "key": b"ann", "value": b"\xff\x00", "headers": [],
    }  # fmt: skip
    return row | changes


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as the Arrow table that a flush carries; maps may be dicts."""
    ready = [{column: list(v.items()) if isinstance(v, dict) else v for column, v in row.items()} for row in rows]
    return pa.Table.from_pylist(ready, schema=TABLES[name].schema)
