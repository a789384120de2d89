"""Ids for events that come without one."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid

import msgspec

from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import Touchpoint

ID_HEX_DIGITS = 32  # 128 bits: no two events of the world share one
_SAID = tuple(
    name for name in Touchpoint.__struct_fields__ if name not in {"event_id", "received_at", "source", "sent_by"}
)
"""Fields that identify an event: all but its id and those that its channel adds."""


def new_event_id() -> str:
    """A new id in order of time: UUID version 7 (RFC 9562), milliseconds and 74 random bits."""
    milliseconds = now_ms()
    random = int.from_bytes(os.urandom(10), "big")
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))


def content_id(event: Touchpoint, source: str | None = None) -> str:
    """The id of a canonical event that came without one, from its content: the same event again has the same id.

    source: as the mapping has it; without one the channel, which is in the event, is whose id it is.
    """
    return _numbered_id(_said(event, source), 0)


def _said(event: Touchpoint, source: str | None) -> bytes:
    fields = {name: value for name in _SAID if (value := getattr(event, name)) is not None}
    return msgspec.json.encode((source or "", fields), order="deterministic")


def _numbered_id(said: bytes, earlier: int) -> str:
    return hashlib.sha256(b"%d\n%b" % (earlier, said)).hexdigest()[:ID_HEX_DIGITS]


class ContentIds:
    """Ids derived from the events of one file, so that publishing the file twice counts nothing twice.

    An id is the SHA-256 of the canonical event under its source, and of how many equal ones stood before it in the
    file: how a line is written (order of columns, quotes, ends of lines, encoding) changes nothing, equal lines are
    events of their own, and lines that are put before or between them change nothing. The counts live in a temporary
    database that SQLite keeps in memory up to its cache's size and on disk beyond it.
    """

    def __init__(self, source: str | None = None) -> None:
        """`source`: as the mapping has it; without one the channel, which is in the event, is whose ids they are."""
        self._source = source
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE event (digest BLOB PRIMARY KEY, earlier INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")  # one for all: a transaction per event costs five times the event

    def id_of(self, event: Touchpoint) -> str:
        """The id of the next event of the file, which is canonical (`schemas.validity.canonical`)."""
        said = _said(event, self._source)
        digest = hashlib.sha256(said).digest()[: ID_HEX_DIGITS // 2]
        (earlier,) = self._database.execute(
            "INSERT INTO event VALUES (?, 0) ON CONFLICT DO UPDATE SET earlier = earlier + 1 RETURNING earlier",
            (digest,),
        ).fetchone()
        return _numbered_id(said, earlier)
