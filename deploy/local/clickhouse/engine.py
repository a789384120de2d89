"""ClickHouse's engine in this process (chDB), a connection for each request.

What chDB 26.9 allows, measured: one directory per process and one process per directory (a lock of the kernel's, gone
with the process); any number of connections, 0.25 ms each, whose settings and current database are their own; queries
of several connections run in parallel, without Python's lock. While it streams a result, a connection is taken.
"""

import re
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from chdb import _chdb as _untyped

from touchstream.deploy.local.clickhouse.body import Buffer
from touchstream.deploy.local.clickhouse.config import BACKUPS, refuse_links, write_config
from touchstream.deploy.local.clickhouse.errors import ClickHouseError, Code, from_engine, refused
from touchstream.deploy.local.clickhouse.guard import check_setting
from touchstream.deploy.local.clickhouse.sql import Insert, output_format, split_insert
from touchstream.deploy.local.clickhouse.statements import Statements, forbidden_by
from touchstream.deploy.local.private_files import make_private

# The module below chDB's Python interface, because only there is `classify_query`. It has no type hints.
_chdb: Any = _untyped

DEFAULT_FORMAT = "TabSeparated"
_PARAMETER = "param_"
SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# chDB hands a stream out as one whole document per block; only in these formats is their sequence a document again.
_STREAMED_FORMATS = frozenset({"Native", "RowBinary", "JSONEachRow", "TabSeparated", "TSV", "CSV"})
# What would stand after the rows, or around them.
# What else only reads (SHOW, DESCRIBE, EXPLAIN) chDB doesn't stream.
_SELECTS = re.compile(rb"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_NOT_ONLY_ROWS = re.compile(rb"\b(totals|extremes|output_format_json_array_of_rows)\b", re.IGNORECASE)


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

    `settings` and `parameters` are names and values as texts; `default_format` is for a text without FORMAT;
    `readonly` is ClickHouse's setting, put in force last (1, 2: the engine refuses whatever changes something); with
    `streamed` rows may be sent before all are known.
    """

    text: bytes
    data: Iterable[bytes] = ()
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    external: Sequence[External] = ()
    default_format: str = DEFAULT_FORMAT
    readonly: str | None = None
    streamed: bool = False


@dataclass(frozen=True)
class EngineAnswer:
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


class Engine:
    """The engine on a directory, from construction to `close`. For any number of threads.

    Raises at construction ClickHouseError if another process has the directory, ValueError if it defines what isn't
    allowed, OSError if it isn't ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path.absolute())
        if set("?&*{}") & set(self._path):
            raise ValueError("the engine reads ? & * { } in a path as options or patterns; choose one without them")
        self.version = "unknown"
        make_private(path)
        refuse_links(path)
        make_private(path / BACKUPS)
        self._statements = Statements(forbidden_by(path.rglob("*.sql")))
        self._config = write_config(path.absolute())
        # Held open: the engine ends with the last connection.
        self._root = self._connect()
        self._incoming = path.absolute() / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # bodies that an earlier process was killed over
        make_private(self._incoming)
        text = bytes(self._root.query("SELECT version(), timezone(), displayName()", DEFAULT_FORMAT).bytes()).decode()
        self.version, self.timezone, self.display_name = text.strip().split("\t")

    def close(self) -> None:
        """End the engine, if no query is running any more."""
        self._root.close()

    @contextmanager
    def run(self, query: Query) -> Iterator[EngineAnswer]:
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

    def _answer(self, connection: Any, query: Query) -> EngineAnswer:
        head = split_insert(query.text)
        text = b"".join((query.text, *query.data)) if head is None else head.statement
        # First of all: a client's settings could change what the engine makes of a text.
        admitted = self._statements.admit(connection, text)
        tables = [(table, *self._admit_external(connection, table)) for table in query.external]
        if (settings := _set_statement(query)) is not None:
            connection.query(settings)
        for table, statement, insert in tables:
            connection.query(statement)
            self._insert(connection, insert, (table.data,))
        if query.readonly is not None:
            connection.query(f"SET readonly = {query.readonly}")
        if head is not None:
            if admitted.insert is None:
                raise refused(Code.SYNTAX_ERROR, "Syntax error: an INSERT of a SELECT has no FORMAT")
            return self._insert(connection, admitted.insert, chain((query.text[head.data_start :],), query.data))
        return self._statement(connection, query, text, admitted.reads)

    def _statement(self, connection: Any, query: Query, text: bytes, reads: bool) -> EngineAnswer:
        name = (output_format(text) if reads else None) or query.default_format
        rows = reads and _SELECTS.match(text) and not _NOT_ONLY_ROWS.search(text)
        if query.streamed and rows and name in _STREAMED_FORMATS:
            return self._streamed(connection, text, name)
        result = connection.query(text, name)
        size = result.size()
        # An empty result of a SELECT has its format all the same; a DDL statement has none.
        shown = name if reads or size else None
        return EngineAnswer(_whole(result), _read_summary(result), shown, size, result)

    def _admit_external(self, connection: Any, table: External) -> tuple[bytes, Insert]:
        """The statements that make and fill a client's own table."""
        if not SETTING_NAME.fullmatch(table.format):
            raise refused(Code.BAD_ARGUMENTS, f"External table {table.name}: its format must be a name")
        name = _quoted(table.name)
        made = f"CREATE TEMPORARY TABLE {name} ({table.structure}) ENGINE = Memory".encode(errors="surrogateescape")
        self._statements.admit(connection, made)
        return made, Insert(f"INSERT INTO {name} ".encode(errors="surrogateescape"), b"", table.format, 0)

    def _insert(self, connection: Any, insert: Insert, data: Iterable[bytes]) -> EngineAnswer:
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
        return EngineAnswer(_whole(result), _read_summary(result) | written, None, 0, result)

    def _streamed(self, connection: Any, text: bytes, name: str) -> EngineAnswer:
        stream = connection.send_query(text, name)
        first = connection.streaming_fetch_result(stream)
        return EngineAnswer(self._pieces(connection, stream, first), _read_summary(first), format=name)

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


def _set_statement(query: Query) -> bytes | None:
    for name in query.parameters:
        if not SETTING_NAME.fullmatch(name):
            raise refused(Code.UNKNOWN_SETTING, f"Unknown setting '{_PARAMETER}{name}'")
    for name in query.settings:
        check_setting(name)
    assignments = dict(query.settings) | {f"{_PARAMETER}{name}": value for name, value in query.parameters.items()}
    if query.database:
        assignments["database"] = query.database
    if not assignments:
        return None
    statement = "SET " + ", ".join(f"{name} = {_literal(value)}" for name, value in assignments.items())
    return statement.encode(errors="surrogateescape")


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


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


__all__ = ["ClickHouseError", "Engine", "EngineAnswer", "Query"]
