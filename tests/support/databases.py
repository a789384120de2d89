"""Databases with all tables and no rows, lent to one test after another: emptying one costs a tenth of making it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final
from uuid import uuid4

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tests.support.stack import eventually
from touchstream.sinks.clickhouse.client import connect_directly, database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate

_NAME: Final = "the_name_of_the_database"
_RESTING_MIN: Final = 2
"""Databases that rest before one is lent again: what a process that was killed has asked for still ends in its own."""


@contextmanager
def empty_database(server_url: str) -> Iterator[Client]:
    """A client whose database, of a name of its own, doesn't exist yet; dropped at the end."""
    client = connect(database_url(server_url, _new_name()))
    try:
        yield client
    finally:
        client.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": client.database}, use_database=False)
        client.close()


@contextmanager
def lent_database(server_url: str) -> Iterator[str]:
    """The name of a database with all tables and no rows, which no other test has meanwhile.

    Its tables may be changed or dropped, and databases made whose names begin with its name and `_`.
    """
    databases = _databases(server_url)
    name = databases.lend()
    try:
        yield name
    finally:
        databases.resting.append(name)


@contextmanager
def migrated_database(server_url: str) -> Iterator[Client]:
    """A client of a database with all tables and no rows; see `lent_database`."""
    with lent_database(server_url) as name:
        client = connect(database_url(server_url, name))
        try:
            yield client
        finally:
            client.close()


@dataclass(frozen=True)
class _Made:
    """What migrations make: statements as `_Databases.definitions` has them, and the rows of schema_migrations."""

    definitions: tuple[str, ...]
    records: pa.Table


class _Databases:
    """Those of one server."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._client = connect_directly(server_url)
        self.resting: deque[str] = deque()

    def lend(self) -> str:
        """One that is as the migrations make it: emptied, or else new."""
        if len(self.resting) > _RESTING_MIN:
            name = self.resting.popleft()
            self._drop_databases_of(name)
            if self._definitions(name) == self._made.definitions:
                self._empty(name)
                return name
            self._drop(name)
        return self._make()

    @cached_property
    def _made(self) -> _Made:
        """What migrations make."""
        with empty_database(self._server_url) as client:
            migrate(client, Migrating())
            records = client.query_arrow("SELECT * FROM schema_migrations FINAL")
            return _Made(self._definitions(str(client.database)), records)

    def _make(self) -> str:
        """By the statements that ClickHouse says would make what the migrations made: a third of their work."""
        name = _new_name()
        for statement in (f"CREATE DATABASE {_NAME}", *self._made.definitions):
            self._client.command(statement.replace(_NAME, name))
        self._record(name)
        return name

    def _definitions(self, name: str) -> tuple[str, ...]:
        """Statements that make its tables and views, what others read from first."""
        made = (
            "SELECT create_table_query FROM system.tables WHERE database = {name:String}"
            " ORDER BY engine = 'View', engine = 'MaterializedView', name"
        )
        return tuple(text.replace(name, _NAME) for (text,) in self._client.query(made, {"name": name}).result_rows)

    def _empty(self, name: str) -> None:
        running = "SELECT count() FROM system.processes WHERE current_database = {name:String}"
        eventually(lambda: not self._client.command(running, {"name": name}))
        filled = "SELECT DISTINCT table FROM system.parts WHERE database = {name:String}"
        for (table,) in self._client.query(filled, {"name": name}).result_rows:
            self._client.command(f"TRUNCATE TABLE {name}.`{table}`")
        self._record(name)

    def _record(self, name: str) -> None:
        self._client.insert_arrow("schema_migrations", self._made.records, database=name)

    def _drop(self, name: str) -> None:
        self._client.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": name})

    def _drop_databases_of(self, name: str) -> None:
        """What a test made beside its own."""
        for (found,) in self._client.query("SELECT name FROM system.databases").result_rows:
            if found.startswith(f"{name}_"):
                self._drop(found)


@cache
def _databases(server_url: str) -> _Databases:
    return _Databases(server_url)


def _new_name() -> str:
    return f"test_{uuid4().hex}"
