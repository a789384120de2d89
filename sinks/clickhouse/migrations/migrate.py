"""The tables, by numbered SQL files: forward only, checksummed, idempotent, also by several processes at once.

Every statement is of the form `… IF NOT EXISTS`, or fills a table with rows that replace each other, so that a
migration that was interrupted, or that two processes run together, ends in the same tables. It is recorded after its
last statement; two records of it collapse into one.
"""

import hashlib
import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.migrations.rebuild import rebuild
from touchstream.sinks.clickhouse.sql import query_text

_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number     UInt32,
    name       String,
    checksum   String                  COMMENT 'SHA-256 of the text of the file',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY number
"""

_TOKENS: Final = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` )
    | (?P<end> ; )
    | (?P<text> [^-/'"`;]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_REBUILD: Final = re.compile(r"REBUILD (\w+)")
"""A statement of ours: see `sinks.clickhouse.migrations.rebuild`."""
_PLACEHOLDER: Final = re.compile(r"\{(\w+):UInt32\}")
_TTL: Final = re.compile(r"TTL inserted_at \+ toIntervalDay\((\d+)\)")
_VIEWS: Final = (
    "view_customers", "view_journey_visits", "view_stage_now", "view_stage_complete", "view_journey_now",
)  # fmt: skip
"""Made anew every time, of the texts that the queries share; they hold nothing."""
RETENTION_DAYS_MAX: Final = 36_500
"""A DateTime ends in 2106: a longer retention would wrap around and delete what it should keep."""
_NUMBERED: Final = re.compile(r"\d{4}_\w+\.sql$")


class MigrationError(Exception):
    """The database can't be brought to what this version of the code expects; the message says what to do."""


@dataclass(frozen=True)
class Migrating:
    """What migrations need to know.

    raw_retention_days, dead_letter_retention_days: how long `touchpoints` and `dead_letters` keep a row after its
    insertion, 1 to 36,500.
    """

    raw_retention_days: int = 30
    dead_letter_retention_days: int = 90

    def __post_init__(self) -> None:
        for name, days in asdict(self).items():
            if not 1 <= days <= RETENTION_DAYS_MAX:
                raise ValueError(f"{name.upper()} must be 1 to {RETENTION_DAYS_MAX}, not {days}")


@dataclass(frozen=True)
class Migration:
    """One numbered file of `migrations/`."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def known_migrations() -> tuple[Migration, ...]:
    """All migrations that this version of the code brings, by number."""
    numbered = (file for file in resources.files(__package__).iterdir() if _NUMBERED.match(file.name))
    files = sorted(numbered, key=lambda file: file.name)
    return tuple(
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files
    )


def statements(text: str) -> list[str]:
    """The statements of an SQL text, without comments. A semicolon inside quotes or a comment ends nothing."""
    found, current = [], ""
    for token in _TOKENS.finditer(text):
        if token.lastgroup == "end":
            found.append(current.strip())
            current = ""
        elif token.lastgroup != "comment":
            current += token.group()
    return [statement for statement in (*found, current.strip()) if statement]


def migrate(client: Client, parameters: Migrating, migrations: tuple[Migration, ...] | None = None) -> list[str]:
    """Create the client's database and bring its tables up to date; returns the names of what was applied now.

    Raises MigrationError when an applied migration's text has changed since, or when the database has migrations that
    this code doesn't know. Errors of ClickHouse itself come as they are; running it again goes on from there.
    """
    wanted = known_migrations() if migrations is None else migrations
    _create_database(client)
    client.command(_RECORDS)
    recorded = _recorded(client)
    _check(recorded, wanted, str(client.database))
    applied = []
    for migration in wanted:
        if migration.number not in recorded:
            _apply(client, migration, parameters)
            applied.append(migration.name)
    _keep_rows_for(client, "touchpoints", parameters.raw_retention_days)
    _keep_rows_for(client, "dead_letters", parameters.dead_letter_retention_days)
    if migrations is None:
        for view in _VIEWS:
            client.command(query_text(view, scope="all_rows"))
    return applied


def _create_database(client: Client) -> None:
    # Asked first: a user who may not create databases can still migrate one that an administrator has made.
    there = client.command(
        "SELECT count() FROM system.databases WHERE name = {name:String}",
        parameters={"name": client.database},
        use_database=False,
    )
    if not there:
        client.command(
            "CREATE DATABASE IF NOT EXISTS {name:Identifier}", parameters={"name": client.database}, use_database=False
        )


def _recorded(client: Client) -> dict[int, tuple[str, str]]:
    rows = client.query("SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number").result_rows
    return {number: (name, checksum) for number, name, checksum in rows}


def _check(recorded: dict[int, tuple[str, str]], wanted: tuple[Migration, ...], database: str) -> None:
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in recorded.items():
        if number not in known:
            raise MigrationError(
                f"database {database} has migration {name}, which this version of touchstream doesn't know: "
                "it was migrated by a newer one; run that version, or give this one a database of its own"
            )
        if known[number].checksum != checksum:
            raise MigrationError(
                f"migration {name} was applied to database {database} with another text than {known[number].name} has "
                "now: put the file back as it was, and make the change in a new migration"
            )


def _apply(client: Client, migration: Migration, parameters: Migrating) -> None:
    for statement in statements(migration.text):
        if rebuilt := _REBUILD.fullmatch(statement):
            rebuild(client, rebuilt[1])
            continue
        client.command(_PLACEHOLDER.sub(lambda found: str(int(getattr(parameters, found[1]))), statement))
    client.insert(
        "schema_migrations",
        [[migration.number, migration.name, migration.checksum]],
        column_names=["number", "name", "checksum"],
    )


def _keep_rows_for(client: Client, table: str, days: int) -> None:
    """Change the TTL of a table, which is by insertion, when it isn't what the settings say."""
    definition = client.command(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
        parameters={"table": table},
    )
    found = _TTL.search(str(definition))
    if definition and (found is None or int(found[1]) != days):
        client.command(f"ALTER TABLE {table} MODIFY TTL inserted_at + toIntervalDay({days:d})")
