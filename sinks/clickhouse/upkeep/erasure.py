"""Erases a person: rows under their ids, rows that a replay brings back, and mentions in rows of others.

Sums stay (panes, rolling windows): they are no personal data. A raw event stays as an event without a person, so that
metrics of its interval remain exact; touches, identifications, and the contents of dead letters are removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text
from touchstream.sinks.clickhouse.upkeep.erased_dead_letters import Ids

_SYNC: Final = {"mutations_sync": 2}
_KEPT: Final = {
    "touchpoints": "the event, without ids, event_id and attributes",
    "journey_touches": "nothing",
    "identities": "nothing",
    "dead_letters": "offset and reason",
    "person_views": "who looked, and when",
}
"""Columns of a row that stay, by table."""
_LETTERS_READ: Final = 200
"""Dead letters read at once: each may have four megabytes."""
_LETTERS_EMPTIED: Final = 1_000
"""Most dead letters emptied by one mutation, each of which rewrites parts of the table."""
_IDS_SOUGHT: Final = 100
"""Most ids in one query for mentions."""


@dataclass(frozen=True)
class Erased:
    """Rows of a table that were erased. kept: what stays of each."""

    table: str
    rows: int
    kept: str


@dataclass(frozen=True)
class Mention:
    """Rows of others that name an id of the person in a column; they stay as they are."""

    table: str
    column: str
    rows: int


def erase(client: Client) -> tuple[Erased, ...]:
    """Erase what the tables hold of everybody in `erasures`, up to when they were erased; returns what was found.

    Idempotent. A table without anything to erase isn't touched.
    """
    done = []
    for table, kept in _KEPT.items():
        counted = client.query(query_text("count_to_erase", condition=f"{table}_to_erase"), {"table": table})
        rows = int(counted.result_rows[0][0])
        if rows:
            client.command(query_text(f"erase_{table}"), settings=_SYNC)
        done.append(Erased(table, rows, kept))
    return tuple(done)


def erase_letters(client: Client, ids: Sequence[str]) -> int:
    """Empty the dead letters that hold one of these ids, in whatever way it is written; how many there were."""
    sought = Ids(ids)
    patterns = [pattern.hex() for pattern in sought.patterns]
    place: tuple[str, int, int] = ("", 0, 0)
    held = []
    while True:
        after = dict(zip(("log_id", "partition", "log_offset"), place, strict=True))
        parameters = {**after, "patterns": patterns, "most": _LETTERS_READ}
        found = client.query(query_text("dead_letters_to_read"), parameters, query_formats={"String": "bytes"})
        rows = list(found.named_results())
        held += [_place(row) for row in rows if sought.are_in(*_pieces(row))]
        if len(rows) < _LETTERS_READ:
            break
        place = _place(rows[-1])
    for start in range(0, len(held), _LETTERS_EMPTIED):
        places = held[start : start + _LETTERS_EMPTIED]
        client.command(query_text("erase_listed_dead_letters"), {"places": places}, settings=_SYNC)
    return len(held)


def mentions(client: Client, ids: Sequence[str]) -> tuple[Mention, ...]:
    """Where rows that stay name one of these ids as a word of its own. After `erase`, they are rows of others."""
    rows: dict[tuple[str, str], int] = {}
    for start in range(0, len(ids), _IDS_SOUGHT):
        patterns = [_word(one) for one in ids[start : start + _IDS_SOUGHT]]
        found = client.query(query_text("mentions"), {"patterns": patterns})
        for table, column, count in found.result_rows:
            rows[table, column] = rows.get((table, column), 0) + int(count)
    return tuple(Mention(*place, count) for place, count in rows.items() if count)


def came_back(client: Client, since_seconds: int) -> bool:
    """Whether raw events of an erased person were inserted within the last seconds: by a replay, say."""
    if not client.query("SELECT 1 FROM erasures LIMIT 1").result_rows:
        return False
    return bool(client.query(query_text("erased_came_back"), {"seconds": since_seconds}).result_rows[0][0])


def _word(identifier: str) -> str:
    """A regular expression (RE2) that finds an id where it stands as a word of its own."""
    escaped = "".join(one if one.isalnum() else f"\\x{{{ord(one):x}}}" for one in identifier)
    return f"(^|[^0-9A-Za-z_]){escaped}($|[^0-9A-Za-z_])"


def _place(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["log_id"].decode(), int(row["partition"]), int(row["log_offset"])


def _pieces(row: dict[str, Any]) -> list[bytes]:
    headers = [piece for header in row["headers"] for piece in (header["name"], header["value"])]
    return [row["key"] or b"", row["value"] or b"", row["detail"], *headers]
