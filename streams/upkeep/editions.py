"""Which edition is asked and written: found by its version, put in force, followed by workers (docs/decisions/0012)."""

import asyncio
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.client import connect_directly, database_url, first_database
from touchstream.sinks.clickhouse.database import connect, in_force
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.sinks.clickhouse.migrations.migrate import migrate
from touchstream.sinks.clickhouse.upkeep.editions import copy_what_goes_on, editions, put_in_force
from touchstream.sinks.clickhouse.upkeep.erasure import erase
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import migrating_as

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0


class EditionError(ValueError):
    """There is no such edition, or none can be made from that time on; the message says what to do."""


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


def edition_of(settings: Settings, version: str) -> str:
    """The database in which to ask for a version of the definitions: of its newest edition that is filled.

    version: its first letters, or a database's name. Raises EditionError.
    """
    first = connect_directly(settings.clickhouse_url)
    base, known = first_database(settings.clickhouse_url), editions(first)
    of_base = {one.version for one in known_definitions(first)}
    found = [one for one in known if one.database == version or one.version.startswith(version or " ")]
    filled = [one.database for one in found if one.filled]
    if filled:
        return filled[-1]
    if version == base or any(one.startswith(version or " ") for one in of_base):
        return base
    if found:
        raise EditionError(f"{found[-1].database} is not filled yet: `touchstream definitions replay` goes on with it")
    versions = ", ".join(sorted(of_base | {one.version for one in known})) or "none"
    raise EditionError(f"no definitions {version!r}: there are {versions} (`touchstream definitions list`)")


def connect_to(settings: Settings, version: str | None) -> Client:
    """A client of the edition of a version, or (None) of the one in force. Raises EditionError."""
    if version is None:
        return connect(settings.clickhouse_url)
    return connect_directly(database_url(settings.clickhouse_url, edition_of(settings, version)))


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
