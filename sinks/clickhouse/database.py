"""The database that is asked: the edition in force of the one that a URL names (docs/decisions/0012)."""

import time
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from touchstream.schemas.instruments import put_in_force
from touchstream.sinks.clickhouse.client import connect_directly, first_database
from touchstream.sinks.clickhouse.errors import code
from touchstream.sinks.clickhouse.instruments import NOT_MADE_YET, instruments_declared
from touchstream.sinks.clickhouse.sql import query_text

INSTRUMENTS_SECONDS: Final = 10.0
"""Interval for asking which instruments are declared, in seconds: they change when people declare others."""


class Database:
    """What a process asks for as long as it runs, whichever edition comes into force meanwhile. For several threads."""

    def __init__(self, clickhouse_url: str, timeout: Timeout | None = None) -> None:
        """Connects when it is first asked. timeout: of a request; by default that of `client`."""
        self._url, self._timeout = clickhouse_url, timeout
        self._client: Client | None = None
        self._instruments_at, self._instruments_of = float("-inf"), ""

    def client(self) -> Client:
        """A client of the edition that is in force now, for one look: a later look asks for it again.

        Raises ValueError for what is no URL of ClickHouse, and `clickhouse_connect`'s ClickHouseError.
        """
        client = self._client
        if client is None:
            # Two threads may connect at once; either client will do.
            client = connect_directly(self._url)
            if self._timeout is not None and isinstance(client, HttpClient):
                client.timeout = self._timeout
            self._client = client
        client.database = in_force(client, first_database(self._url))
        self._know_instruments(client)
        return client

    def _know_instruments(self, client: Client) -> None:
        """What this process asks for are the metrics of the instruments that are declared there."""
        now, database = time.monotonic(), str(client.database)
        if now - self._instruments_at >= INSTRUMENTS_SECONDS or database != self._instruments_of:
            put_in_force(instruments_declared(client))
            self._instruments_at, self._instruments_of = now, database


def connect(clickhouse_url: str) -> Client:
    """A client of the edition in force now, for one command. A process that goes on asks a `Database`.

    Arguments and errors are those of `connect_directly`.
    """
    return Database(clickhouse_url).client()


def in_force(client: Client, base: str) -> str:
    """The database that is written and asked, as the database `base` says; `base` where it says nothing."""
    try:
        rows = client.query(query_text("edition_in_force"), {"base": base}).result_rows
    except ClickHouseError as error:
        if code(error) in NOT_MADE_YET:
            return base
        raise
    return str(rows[0][0]) or base
