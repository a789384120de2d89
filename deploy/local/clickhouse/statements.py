"""Statements on their way to the engine: one at a time, looked at by `clickhouse_guard`, with what is known of them."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

from chdb import _chdb as _untyped

from touchstream.deploy.local.clickhouse.errors import ClickHouseError, Code, refused
from touchstream.deploy.local.clickhouse.guard import canonical, check, forbidden_calls
from touchstream.deploy.local.clickhouse.sql import Insert, split_insert

_chdb: Any = _untyped

_TEXTS_KEPT: Final = 256
_TEXT_BYTES_KEPT: Final = 65_536


@dataclass(frozen=True)
class Admitted:
    """A statement that may run. `insert` is set where data follow it, in the engine's own words; its start is not."""

    reads: bool
    insert: Insert | None = None


class Statements:
    """Admits statements. Parsing a long one takes some 15 ms, and few texts are sent over and over: those are kept."""

    def __init__(self, forbidden: frozenset[str]) -> None:
        self._forbidden = forbidden
        self._known: OrderedDict[bytes, Admitted] = OrderedDict()
        self._lock = Lock()

    def admit(self, connection: Any, text: bytes) -> Admitted:
        """Look at a whole statement.

        Raises ClickHouseError for one that may not run, or several; RuntimeError, the engine's, for what is none.

        Ask before the client's settings are set on the connection: they could change what the engine makes of it.
        """
        with self._lock:
            if (known := self._known.get(text)) is not None:
                self._known.move_to_end(text)
                return known
        found = self._look_at(connection, text)
        if len(text) <= _TEXT_BYTES_KEPT:
            with self._lock:
                self._known[text] = found
                if len(self._known) > _TEXTS_KEPT:
                    self._known.popitem(last=False)
        return found

    def _look_at(self, connection: Any, text: bytes) -> Admitted:
        statement = canonical(connection, text)
        check(statement, self._forbidden)
        verdict = connection.classify_query(text)
        if int(verdict["statement_count"]) != 1:
            raise refused(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed): send one statement")
        reads = bool(verdict["query_class"] == _chdb.query_class.READ_ONLY)
        return Admitted(reads, split_insert(f"{statement}\n".encode(errors="surrogateescape")))


def forbidden_by(definitions: Iterable[Path]) -> frozenset[str]:
    """Names that no statement may call, from an engine without data; and a look at what a data directory defines.

    definitions: files in which an engine of before has kept its tables, views and databases.

    Raises ValueError with the file's name for what isn't allowed: it would be at work once its engine is there.
    """
    connection = _chdb.connect(":memory:")
    try:
        forbidden = forbidden_calls(connection)
        for path in definitions:
            try:
                check(canonical(connection, path.read_bytes()), forbidden, stored=True)
            except (ClickHouseError, RuntimeError) as error:
                raise ValueError(f"{path}: {str(error).strip()}") from None
    finally:
        connection.close()
    return forbidden
