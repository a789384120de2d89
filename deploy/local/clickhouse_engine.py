"""ClickHouse's engine in this process (chDB), a connection for each request.

What chDB 26.9 allows, measured: one directory per process and one process per directory (a lock of the kernel's, gone
with the process); any number of connections, 0.25 ms each, whose settings and current database are their own; queries
of several connections run in parallel, without Python's lock. While it streams a result, a connection is taken.
"""

import re
import shutil
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, Final
from xml.sax.saxutils import escape

from chdb import _chdb as _untyped

from deploy.local.clickhouse_body import Buffer
from deploy.local.clickhouse_errors import ClickHouseError, Code, from_engine, refused
from deploy.local.clickhouse_sql import Insert, names_a_file, output_format, split_insert

# The module below chDB's Python interface, because only there is `classify_query`. It has no type hints.
_chdb: Any = _untyped

DEFAULT_FORMAT = "TabSeparated"
SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# chDB hands a stream out as one whole document per block; only in these formats is their sequence a document again.
_STREAMED_FORMATS = frozenset({"Native", "RowBinary", "JSONEachRow", "TabSeparated", "TSV", "CSV"})
# What would stand after the rows, or around them.
# What else only reads (SHOW, DESCRIBE, EXPLAIN) chDB doesn't stream.
_SELECTS = re.compile(rb"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_NOT_ONLY_ROWS = re.compile(rb"\b(totals|extremes|output_format_json_array_of_rows)\b", re.IGNORECASE)
_TEXTS_KEPT: Final = 256
_TEXT_BYTES_KEPT: Final = 65_536


@dataclass(frozen=True)
class External:
    """A table that a client sends with its query: `structure` is `name Type, …`, `data` its rows in `format`."""

    name: str
    structure: str
    format: str
    data: bytes


@dataclass(frozen=True)
class Query:
    """One statement to be run. `text` may end with the beginning of an INSERT's data, of which `data` is the rest.

    `external` are tables that are there for this statement only.

    `settings` and `parameters` are names and values as texts; `default_format` is for a text without FORMAT; with
    `readonly` the engine refuses whatever changes something; with `streamed` rows may be sent before all are known.
    """

    text: bytes
    data: Iterable[bytes] = ()
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    external: Sequence[External] = ()
    default_format: str = DEFAULT_FORMAT
    readonly: bool = False
    streamed: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer to a query. `format` is None where nothing is answered (DDL, INSERT).

    `summary` is X-ClickHouse-Summary; when `streamed`, it is that of the first piece, and iterating over `pieces` may
    raise ClickHouseError. Pieces are the engine's own memory: those of a stream are good until the next one, a whole
    answer's as long as this object, which therefore holds the engine's `result`.
    """

    pieces: Generator[Buffer]
    summary: Mapping[str, str]
    format: str | None
    size: int | None = None
    result: Any = None

    @property
    def streamed(self) -> bool:
        """Whether the size is not known beforehand."""
        return self.size is None


_CONFIG: Final = "<clickhouse><backups><allowed_path>{backups}/</allowed_path></backups></clickhouse>\n"
"""Without a place that is allowed, BACKUP and RESTORE are refused."""


class Engine:
    """The engine on a directory, from construction to `close`. For any number of threads.

    Raises ClickHouseError at construction if another process has the directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path.absolute())
        if set("?&*{}") & set(self._path):
            raise ValueError("the engine reads ? & * { } in a path as options or patterns; choose one without them")
        self.version = "unknown"
        path.mkdir(parents=True, exist_ok=True)
        self._backups = path.absolute() / "backups"
        self._config = path.absolute() / "config.xml"
        self._config.write_text(_CONFIG.format(backups=escape(str(self._backups))), encoding="utf-8")
        # Held open: the engine ends with the last connection.
        self._root = self._connect()
        self._incoming = path.absolute() / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # bodies that an earlier process was killed over
        self._incoming.mkdir()
        text = bytes(self._root.query("SELECT version(), timezone(), displayName()", DEFAULT_FORMAT).bytes()).decode()
        self.version, self.timezone, self.display_name = text.strip().split("\t")

    def close(self) -> None:
        """End the engine, if no query is running any more."""
        self._root.close()

    @contextmanager
    def run(self, query: Query) -> Iterator[Answer]:
        """Run a query; its answer is good inside the block. Raises ClickHouseError, also while iterating."""
        connection = self._connect()
        try:
            answer = self._answer(connection, query)
            with closing(answer.pieces):
                yield answer
        except RuntimeError as error:
            raise from_engine(error, self.version) from error
        finally:
            connection.close()

    def _connect(self) -> Any:
        try:
            return _chdb.connect(f"{self._path}?config-file={self._config}")
        except RuntimeError as error:
            raise from_engine(error, self.version) from error

    def _answer(self, connection: Any, query: Query) -> Answer:
        connection.query(_set_statement(query))
        for table in query.external:
            connection.query(f"CREATE TEMPORARY TABLE {_quoted(table.name)} ({table.structure}) ENGINE = Memory")
            self._insert(
                connection, Insert(f"INSERT INTO {_quoted(table.name)} ".encode(), b"", table.format, 0), (table.data,)
            )
        if query.readonly:
            connection.query("SET readonly = 2")
        insert = split_insert(query.text)
        if insert is not None:
            return self._insert(connection, insert, chain((query.text[insert.data_start :],), query.data))
        text = b"".join((query.text, *query.data))
        read_only = _admit(connection, text)
        name = (output_format(text) if read_only else None) or query.default_format
        rows = read_only and _SELECTS.match(text) and not _NOT_ONLY_ROWS.search(text)
        if query.streamed and rows and name in _STREAMED_FORMATS:
            return self._streamed(connection, text, name)
        result = connection.query(text, name)
        size = result.size()
        # An empty result of a SELECT has its format all the same; a DDL statement has none.
        shown = name if read_only or size else None
        return Answer(_whole(result), _read_summary(result), shown, size, result)

    def _insert(self, connection: Any, insert: Insert, data: Iterable[bytes]) -> Answer:
        if names_a_file(insert.target):
            raise _files_refused()
        # By way of a file, because chDB's own streaming insert swallows what goes wrong at its end: a constraint, too
        # many partitions. Besides, nothing is inserted before all of it has come.
        with NamedTemporaryFile(dir=self._incoming) as file:
            for piece in data:
                file.write(piece)
            file.flush()
            source = f" FROM INFILE {_literal(file.name)} COMPRESSION 'none' ".encode()
            statement = b"".join((insert.target, source, insert.settings, b" FORMAT ", insert.format.encode()))
            result = connection.query(statement, DEFAULT_FORMAT)
        written = {"result_rows": str(result.rows_written()), "result_bytes": str(result.bytes_written())}
        return Answer(_whole(result), _read_summary(result) | written, None, 0, result)

    def _streamed(self, connection: Any, text: bytes, name: str) -> Answer:
        stream = connection.send_query(text, name)
        first = connection.streaming_fetch_result(stream)
        return Answer(self._pieces(connection, stream, first), _read_summary(first), format=name)

    def _pieces(self, connection: Any, stream: Any, result: Any) -> Generator[Buffer]:
        try:
            while result is not None and result.rows_read() > 0:
                yield result.get_memview().view()
                try:
                    result = connection.streaming_fetch_result(stream)
                except RuntimeError as error:
                    raise from_engine(error, self.version) from error
        finally:
            connection.streaming_cancel_query(stream)


def _set_statement(query: Query) -> bytes:
    for name in (*query.settings, *query.parameters):
        if not SETTING_NAME.fullmatch(name):
            raise refused(Code.UNKNOWN_SETTING, f"Unknown setting '{name}'")
    # chDB is a ClickHouse for command lines, where `1 + 1` is a query; a server wants the SELECT.
    assignments = {"implicit_select": "0"} | dict(query.settings)
    assignments |= {f"param_{name}": value for name, value in query.parameters.items()}
    if query.database:
        assignments["database"] = query.database
    statement = "SET " + ", ".join(f"{name} = {_literal(value)}" for name, value in assignments.items())
    return statement.encode(errors="surrogateescape")


def _files_refused() -> ClickHouseError:
    return refused(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE and FROM INFILE are not allowed")


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _admit(connection: Any, text: bytes) -> bool:
    """Whether the statement only reads. Raises ClickHouseError for what a server doesn't take."""
    if names_a_file(text):
        raise _files_refused()
    statements, reads = _classified(connection, text)
    if statements == 0:
        connection.query(text)  # raises what is wrong with it
        raise refused(Code.SYNTAX_ERROR, "Syntax error: Empty query")
    if statements > 1:
        raise refused(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed): send one statement")
    return reads


class _Classes:
    """What kinds of statements texts are: parsing a long one takes some 15 ms, and few texts come again and again."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[int, bool]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, connection: Any, text: bytes) -> tuple[int, bool]:
        """The number of statements, and whether they only read."""
        with self._lock:
            if (known := self._known.get(text)) is not None:
                self._known.move_to_end(text)
                return known
        verdict = connection.classify_query(text)
        found = int(verdict["statement_count"]), bool(verdict["query_class"] == _chdb.query_class.READ_ONLY)
        if len(text) <= _TEXT_BYTES_KEPT:
            with self._lock:
                self._known[text] = found
                if len(self._known) > _TEXTS_KEPT:
                    self._known.popitem(last=False)
        return found


_classified: Final = _Classes()


def _whole(result: Any) -> Generator[Buffer]:
    if result.size() > 0:
        yield result.get_memview().view()


def _read_summary(result: Any) -> dict[str, str]:
    if result is None:
        return {}
    written = {"written_rows": str(result.rows_written()), "written_bytes": str(result.bytes_written())}
    shown = {"result_rows": str(result.rows_read()), "result_bytes": str(result.size())}
    return _summary(result) | written | shown


def _summary(result: Any) -> dict[str, str]:
    return {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "total_rows_to_read": "0",
        "elapsed_ns": str(int(result.elapsed() * 1e9)),
    }


__all__ = ["Answer", "ClickHouseError", "Engine", "Query"]
