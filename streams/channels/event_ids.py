"""Ids for events that come without one."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
import uuid

ID_HEX_DIGITS = 32  # 128 bits: no two lines of the world share one


def new_event_id() -> str:
    """A new id in order of time: UUID version 7 (RFC 9562), milliseconds and 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))


class LineIds:
    """Ids derived from the lines of one file, so that publishing the file twice counts nothing twice.

    An id is the SHA-256 of the line's bytes and of how many equal lines stood before it: equal lines are events of
    their own, and lines that are put before or between them change nothing. The counts live in a temporary database
    that SQLite keeps in memory up to its cache's size and on disk beyond it.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE line (digest BLOB PRIMARY KEY, earlier INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")  # one for all: a transaction per line costs five times the line

    def id_of(self, line: bytes) -> str:
        """The id of the next line of the file."""
        digest = hashlib.sha256(line).digest()[: ID_HEX_DIGITS // 2]
        (earlier,) = self._database.execute(
            "INSERT INTO line VALUES (?, 0) ON CONFLICT DO UPDATE SET earlier = earlier + 1 RETURNING earlier",
            (digest,),
        ).fetchone()
        return hashlib.sha256(b"%d\n%b" % (earlier, line)).hexdigest()[:ID_HEX_DIGITS]
