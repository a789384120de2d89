"""Which edition is in force: put in force, followed by workers (docs/decisions/0012)."""

import asyncio
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.client import connect_directly, database_url, first_database
from touchstream.sinks.clickhouse.database import in_force
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.clickhouse.migrations.migrate import migrate
from touchstream.sinks.clickhouse.upkeep.editions import copy_what_goes_on, put_in_force
from touchstream.sinks.clickhouse.upkeep.erasure import erase
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import migrating_as

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0


class Switched(RuntimeError):  # noqa: N818 - not an error: it was asked for
    """Another edition is in force: this process has to load its lanes from there."""


def switch(settings: Settings, database: str) -> None:
    """Put an edition in force; workers follow within seconds. Idempotent.

    What can't be derived from the log (alerts, rolling windows as recorded, which dead letters were replayed) is
    copied as well.
    """
    first = connect_directly(settings.clickhouse_url)
    now = in_force(first, first_database(settings.clickhouse_url))
    if now == database:
        return
    client = connect_directly(database_url(settings.clickhouse_url, database))
    migrate(client, migrating_as(settings))
    copy_what_goes_on(client, now)
    erase(client)
    put_in_force(first, database)


async def until_switched(client: Client, clickhouse_url: str) -> None:
    """Return when another edition than the client's is in force."""
    base = first_database(clickhouse_url)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if await asyncio.to_thread(in_force, client, base) != client.database:
                return
        except ClickHouseError as error:
            log.warning("can't check which edition is in force", error=first_line(error))
