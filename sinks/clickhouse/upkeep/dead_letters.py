"""Dead letters as the tables have them: read, and noted as published again (docs/decisions/0011)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from touchstream.sinks.clickhouse.rows import (
    DEAD_LETTERS,
    EVENT_IDENTITY,
    EVENT_IDS,
    INSTANT,
    TEXT,
    TOUCHPOINTS,
    arrow_stream,
)
from touchstream.sinks.clickhouse.sql import query_text

STARTED: Final = "started"
PUBLISHED: Final = "published"
COUNTED: Final = "counted"

_PLACES: Final = pa.schema([DEAD_LETTERS.field(name) for name in ("log_id", "partition", "log_offset")])
_IDENTITIES: Final = pa.schema([EVENT_IDS.field(name) for name in EVENT_IDENTITY])
_IDS: Final = pa.schema([TOUCHPOINTS.field("event_id")])
_REPLAYS: Final = pa.schema(
    [
        pa.field("letter", TEXT, nullable=False),
        pa.field("attempt", pa.uint32(), nullable=False),
        pa.field("started_at", INSTANT, nullable=False),
        pa.field("outcome", TEXT, nullable=False),
        pa.field("replayed_at", INSTANT, nullable=False),
    ]
)


@dataclass(frozen=True)
class StoredDeadLetter:
    """An event that could not be used, with its bytes; times are milliseconds since 1970, UTC.

    replayed_at_ms: when it was last published again; None if it never was.
    """

    log_id: str
    partition: int
    log_offset: int
    topic: str
    record_at_ms: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes], ...]
    replayed_at_ms: int | None = None


@dataclass(frozen=True)
class OpenLetter:
    """A dead letter that may be published again. letter: its name, made of where it was refused first.

    attempt: the next one's number, or that of an interrupted one (unacknowledged: it may be in the log, or not).
    """

    letter: str
    log_id: str
    partition: int
    log_offset: int
    record_at_ms: int
    reason: str
    bytes: int
    attempt: int
    unacknowledged: bool
    started_at_ms: int


def dead_letters(client: Client, limit: int = 100, reason: str | None = None) -> list[StoredDeadLetter]:
    """The newest dead letters, at most `limit`; of one reason, or of all."""
    parameters = {"limit": limit, "reasons": [] if reason is None else [reason]}
    # As bytes, for what made an event a dead letter may well be bytes that are no text.
    found = client.query(query_text("dead_letters"), parameters=parameters, query_formats={"String": "bytes"})
    return [_dead_letter(row) for row in found.named_results()]


def open_letters(client: Client, topic: str, reason: str | None, since_ms: int, limit: int) -> list[OpenLetter]:
    """The oldest dead letters of a topic that may be published again, recorded at or after `since_ms`."""
    parameters = {
        "topic": topic, "reasons": [] if reason is None else [reason], "since_ms": since_ms, "limit": limit,
    }  # fmt: skip
    rows = client.query(query_text("dead_letters_open"), parameters).named_results()
    return [OpenLetter(**row | {"unacknowledged": bool(row["unacknowledged"])}) for row in rows]


def letters_at(client: Client, letters: Sequence[OpenLetter]) -> dict[str, StoredDeadLetter]:
    """Dead letters by name; those that were erased meanwhile are missing."""
    places = {(one.log_id, one.partition, one.log_offset): one.letter for one in letters}
    rows = [dict(zip(_PLACES.names, place, strict=True)) for place in places]
    sent = _sent("places", "log_id String, partition UInt32, log_offset UInt64", pa.Table.from_pylist(rows, _PLACES))
    found = client.query(query_text("dead_letters_at"), query_formats={"String": "bytes"}, external_data=sent)
    read = [_dead_letter(row) for row in found.named_results()]
    return {places[one.log_id, one.partition, one.log_offset]: one for one in read}


def counted(client: Client, topic: str, event_ids: Iterable[str]) -> pa.Table:
    """Events with these ids that have been counted, as far as raw events are kept: columns of EVENT_IDENTITY."""
    ids = pa.Table.from_pylist([{"event_id": one} for one in event_ids], _IDS)
    sent = _sent("ids", "event_id String", ids)
    text = query_text("dead_letters_counted")
    found = client.query_arrow(text, parameters={"topic": topic}, use_strings=True, external_data=sent)
    return found.cast(_IDENTITIES)


def note_replays(client: Client, letters: Sequence[OpenLetter], outcome: str, at_ms: int, started_ms: int) -> None:
    """Note what is about to be sent (STARTED), or what has become of it by at_ms (PUBLISHED, COUNTED)."""
    rows = [
        {
            "letter": one.letter,
            "attempt": max(1, one.attempt),
            "started_at": started_ms,
            "outcome": outcome,
            "replayed_at": 0 if outcome == STARTED else at_ms,
        }
        for one in letters
    ]
    client.raw_insert(
        "dead_letter_replays",
        _REPLAYS.names,
        arrow_stream(pa.Table.from_pylist(rows, _REPLAYS)),
        settings={"async_insert": 0},  # servers since 26.3 would gather it
        fmt="ArrowStream",
    )


def _sent(name: str, structure: str, rows: pa.Table) -> ExternalData:
    return ExternalData(file_name=name, fmt="ArrowStream", structure=structure, data=arrow_stream(rows))


def _dead_letter(row: Mapping[str, Any]) -> StoredDeadLetter:
    return StoredDeadLetter(
        log_id=row["log_id"].decode(),
        partition=row["partition"],
        log_offset=row["log_offset"],
        topic=row["topic"].decode(),
        record_at_ms=row["record_at_ms"],
        reason=row["reason"].decode(),
        detail=row["detail"].decode(errors="replace"),
        key=row["key"],
        value=row["value"],
        headers=tuple((header["name"], header["value"]) for header in row["headers"]),
        replayed_at_ms=row["replayed_at_ms"] or None,
    )


@dataclass(frozen=True)
class RefusedReason:
    """Dead letters of one reason: how many, the newest's time (milliseconds since 1970), and what was wrong with it."""

    reason: str
    letters: int
    newest_ms: int
    detail: str


def refused_lately(client: Client, most: int) -> list[RefusedReason]:
    """The dead letters of the last day by reason, the most frequent first."""
    rows = client.query(query_text("dead_letters_by_reason"), {"most": most}).result_rows
    return [
        RefusedReason(str(reason), int(letters), int(newest_ms), str(detail))
        for reason, letters, newest_ms, detail in rows
    ]
