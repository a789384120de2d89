"""Which edition is asked, found by its version (docs/decisions/0012)."""

from clickhouse_connect.driver.client import Client

from touchstream.schemas.instruments import put_in_force
from touchstream.sinks.clickhouse.client import connect_directly, database_url, first_database
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.instruments import instruments_declared
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.sinks.clickhouse.upkeep.editions import editions
from touchstream.streams.process.settings import Settings


class EditionError(ValueError):
    """There is no such edition, or none can be made from that time on; the message says what to do."""


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
    client = connect_directly(database_url(settings.clickhouse_url, edition_of(settings, version)))
    put_in_force(instruments_declared(client))
    return client
