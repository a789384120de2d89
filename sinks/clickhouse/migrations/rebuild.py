"""A table whose sorting key changes: made anew beside the old one, filled from it, and put in its place.

    CREATE TABLE IF NOT EXISTS name_rebuilt (…);
    REBUILD name;

in a migration; `rebuild_<table>.sql` fills it. Idempotent, wherever it was interrupted, and safe for several
processes at once: until one has renamed both tables, in one statement, each fills the new one with the same rows, which
replace each other. The old table stays as `name_replaced`, which no second renaming can get past.
"""

import time
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from touchstream.sinks.clickhouse.sql import query_text

_TRIES: Final = 20
_AGAIN_SECONDS: Final = 0.2


def rebuild(client: Client, table: str) -> None:
    """Put `<table>_rebuilt` in the place of a table, unless that has been done. Raises ClickHouseError."""
    for tries_left in range(_TRIES, -1, -1):
        if _exists(client, f"{table}_replaced"):
            break
        try:
            client.command(query_text(f"rebuild_{table}"))
            client.command(f"RENAME TABLE {table} TO {table}_replaced, {table}_rebuilt TO {table}")
        except DatabaseError:
            # Another process may have been faster, and then there is nothing left to do.
            if not tries_left:
                raise
            time.sleep(_AGAIN_SECONDS)
    client.command(f"DROP TABLE IF EXISTS {table}_rebuilt")


def _exists(client: Client, table: str) -> bool:
    return bool(client.command("EXISTS TABLE {table:Identifier}", {"table": table}))
