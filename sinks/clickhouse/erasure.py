"""Erasing a person: what the tables hold under their ids, and what comes back of it.

Sums stay (panes, rolling windows): they are nobody's. A raw event stays as an event without a person, so that metrics
of its interval go on being exact; touches, who is who, and what a dead letter held are removed.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.clickhouse.query_texts import query_text

CUSTOMER: Final = "customer"
ANONYMOUS: Final = "anonymous"
_SYNC: Final = {"mutations_sync": 2}
_KEPT: Final = {
    "touchpoints": "the event, without ids, event_id and attributes",
    "journey_touches": "nothing",
    "identities": "nothing",
    "dead_letters": "offset and reason",
}
"""What stays of a row, by table."""


@dataclass(frozen=True)
class Person:
    """The ids under which somebody is known; customer_id is empty for an anonymous visitor."""

    customer_id: str
    anonymous_ids: tuple[str, ...]

    @property
    def hashes(self) -> tuple[str, ...]:
        """What stands for them in `erasures`."""
        customer = [id_hash(CUSTOMER, self.customer_id)] if self.customer_id else []
        return (*customer, *(id_hash(ANONYMOUS, one) for one in self.anonymous_ids))

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return (self.customer_id, *self.anonymous_ids) if self.customer_id else self.anonymous_ids


@dataclass(frozen=True)
class Erased:
    """Rows of a table that were erased. kept: what stays of each."""

    table: str
    rows: int
    kept: str


def id_hash(kind: str, identifier: str) -> str:
    """What stands for an id in `erasures`; kind: CUSTOMER or ANONYMOUS."""
    return hashlib.sha256(f"{kind}:{identifier}".encode()).hexdigest()


def person_of(client: Client, identifier: str, *, anonymous: bool) -> Person:
    """All ids of a person. An anonymous id that was identified is its customer, with everything that is theirs.

    An anonymous id that several customers claim is theirs whose claim was first; the others only lose it.
    """
    customer_id = "" if anonymous else identifier
    if anonymous:
        found = client.query(
            "SELECT argMin(customer_id, (occurred_at, event_id)) FROM identities WHERE anonymous_id = {id:String}",
            {"id": identifier},
        )
        customer_id = str(found.result_rows[0][0])
    if not customer_id:
        return Person("", (identifier,))
    owned = client.query(
        "SELECT anonymous_id FROM identities GROUP BY anonymous_id"
        " HAVING argMin(customer_id, (occurred_at, event_id)) = {id:String} ORDER BY anonymous_id",
        {"id": customer_id},
    )
    return Person(customer_id, tuple(str(row[0]) for row in owned.result_rows))


def erase(client: Client) -> tuple[Erased, ...]:
    """Erase what the tables hold of everybody in `erasures`, up to when they were erased; returns what was found.

    Again and again without harm. A table without anything to erase isn't touched.
    """
    done = []
    for table, kept in _KEPT.items():
        counted = client.query(query_text("to_erase", condition=f"{table}_to_erase"), {"table": table})
        rows = int(counted.result_rows[0][0])
        if rows:
            client.command(query_text(f"erase_{table}"), settings=_SYNC)
        done.append(Erased(table, rows, kept))
    return tuple(done)


def erase_letters(client: Client, ids: Sequence[str]) -> int:
    """Empty the dead letters whose key or bytes hold one of these ids; how many there were.

    In the bytes an id stands as JSON has it, in quotes, or as Avro has it, after its length.
    """
    found = set()
    for identifier in ids:
        patterns = [pattern.hex() for pattern in _in_bytes(identifier)]
        parameters = {"key": identifier.encode().hex(), "patterns": patterns}
        found |= {tuple(row) for row in client.query(query_text("letters_with_id"), parameters).result_rows}
    for log_id, partition, log_offset in sorted(found):
        place = {"log_id": log_id, "partition": partition, "log_offset": log_offset}
        client.command(query_text("erase_letter"), place, settings=_SYNC)
    return len(found)


def came_back(client: Client, since_seconds: int) -> bool:
    """Whether raw events of somebody who was erased were inserted within the last seconds: by a replay, say."""
    if not client.query("SELECT 1 FROM erasures LIMIT 1").result_rows:
        return False
    return bool(client.query(query_text("erased_came_back"), {"seconds": since_seconds}).result_rows[0][0])


def _in_bytes(identifier: str) -> Iterable[bytes]:
    data = identifier.encode()
    yield _avro_length(len(data)) + data
    yield json.dumps(identifier).encode()
    yield json.dumps(identifier, ensure_ascii=False).encode()


def _avro_length(length: int) -> bytes:
    """A length as Avro writes it: zigzag, seven bits to a byte."""
    rest, out = length << 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])
