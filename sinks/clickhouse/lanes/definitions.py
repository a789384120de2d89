"""The definitions that rows were made with: known versions, and which are in force since when."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from clickhouse_connect.driver.client import Client

_NOT_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class KnownDefinitions:
    """A version of the definitions. in_force_since: None while the log does not say so yet."""

    version: str
    content: str
    in_force_since: datetime | None


def known_definitions(client: Client) -> list[KnownDefinitions]:
    """Every version and every time it came into force, the oldest first; those not yet in force lead."""
    rows = client.query(
        "SELECT version, content, in_force_since FROM definitions FINAL ORDER BY in_force_since, version"
    ).result_rows
    return [
        KnownDefinitions(version, content, since if since.timestamp() > 0 else None) for version, content, since in rows
    ]


def record_definitions(client: Client, version: str, content: str, *, in_force: bool) -> None:
    """Note a version, before the log switches to it (in_force False) and once it has."""
    # Here, since whoever only reads versions needs no Arrow: a command that asks for metrics does.
    import pyarrow as pa

    from touchstream.sinks.clickhouse.rows import DEFINITIONS

    since = datetime.now(UTC) if in_force else _NOT_YET
    row = {"version": version, "content": content, "in_force_since": since}
    client.insert_arrow("definitions", pa.Table.from_pylist([row], DEFINITIONS))
