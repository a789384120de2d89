"""Files of events, whatever their format, as chunks of canonical JSON lines in bounded memory."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.touchpoint import Reason, shown
from streams.channels.compressed import STDIN, ByteSource, FileProblem
from streams.channels.conversion import RowConverter, ValueRefused
from streams.channels.event_ids import LineIds
from streams.channels.lines import LINE_BYTES_MAX, split_lines
from streams.channels.mapping import ATTRIBUTE_PREFIX, FIELDS, FieldMapping, nearest

ROWS_PER_CHUNK = 4096
CHUNK_BYTES_MAX = 4 * 1024 * 1024
CSV_FIELD_CHARS_MAX = 2 * 1024 * 1024  # an unclosed quote would else swallow the rest of the file into one field
DELIMITERS = ",;\t|"

_FORMATS = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
FORMATS = ("ndjson", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that can't become an event. `number` counts lines of a text file, rows of a Parquet file, from 1."""

    number: int
    reason: Reason
    detail: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines: canonical JSON texts, their numbers and `content` (as in the file); those refused already."""

    numbers: Sequence[int]
    lines: list[bytes]
    content: list[bytes]
    refused: list[RefusedLine]


def format_of(source: ByteSource, asked: str | None) -> str:
    """The format by what was asked for, else by the file's name; standard input is NDJSON. Raises FileProblem."""
    found = asked or ("ndjson" if source.path == STDIN else _FORMATS.get(source.suffix))
    if asked is not None and asked not in FORMATS:
        raise FileProblem(f"--format must be one of {', '.join(FORMATS)}, not {shown(asked)}")
    if found is None:
        raise FileProblem(f"{source.name}: format isn't known by its name; say --format {'|'.join(FORMATS)}")
    if found == "parquet" and (source.path == STDIN or source.is_compressed):
        raise FileProblem(f"{source.name}: Parquet is read from an uncompressed file (its inside is compressed)")
    return found


def read_chunks(source: ByteSource, asked_format: str | None, mapping: FieldMapping | None) -> Iterator[Chunk]:
    """All chunks of a source, from its beginning.

    Raises FileProblem where it can't be read on; everything before that was yielded.
    """
    found = format_of(source, asked_format)
    if found == "parquet":
        return _parquet(source, mapping)
    lines = split_lines(source.blocks(), source.name)
    return _csv(source, lines, mapping) if found == "csv" else _ndjson(lines, mapping)


class _Builder:
    """Gathers the lines of a chunk. One for a whole file, because ids depend on the lines before."""

    def __init__(self, columns: Sequence[str], mapping: FieldMapping | None) -> None:
        self._converter = RowConverter(columns, mapping)
        self._ids = LineIds()
        self._new()

    def _new(self) -> None:
        self._numbers: list[int] = []
        self._lines: list[bytes] = []
        self._content: list[bytes] = []
        self._refused: list[RefusedLine] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._lines) + len(self._refused) >= ROWS_PER_CHUNK or self._bytes >= CHUNK_BYTES_MAX

    def add_line(self, number: int, line: bytes) -> None:
        """A canonical line; it gets an id if it has none. What is no event for another reason, the codec refuses."""
        text = line.strip()
        if not text.startswith(b"{"):
            self.refuse(number, Reason.UNDECODABLE, f"is no JSON object: starts with {shown(text[:10])}", line)
            return
        if _lacks_id(text):
            with suppress(*_NO_JSON, OverflowError):
                event = _OBJECT.decode(text)
                event["event_id"] = self._ids.id_of(text)
                text = _JSON.encode(event)
        self._add(number, text, line)

    def add_object(self, number: int, line: bytes) -> None:
        """A line that holds a foreign JSON object."""
        try:
            row = _OBJECT.decode(line)
        except _NO_JSON as error:
            self.refuse(number, Reason.UNDECODABLE, f"JSON: {error}", line)
            return
        self.add_row(number, row, line.strip())

    def add_row(self, number: int, row: Mapping[str, Any], content: bytes) -> None:
        """A row as column → value."""
        try:
            event = self._converter.fields(row)
            if event.get("event_id") is None:
                event["event_id"] = self._ids.id_of(content)
            self._add(number, _JSON.encode(event), content)
        except ValueRefused as error:
            self.refuse(number, error.reason, error.detail, content)
        except UnicodeEncodeError:
            self.refuse(number, Reason.UNDECODABLE, "holds bytes that are no UTF-8", content)
        except (TypeError, OverflowError) as error:
            self.refuse(number, Reason.WRONG_TYPE, str(error), content)

    def refuse(self, number: int, reason: Reason, detail: str, content: bytes) -> None:
        self._refused.append(RefusedLine(number, reason, detail, content))
        self._bytes += len(content)

    def take(self) -> Chunk:
        """What was gathered since the last time."""
        chunk = Chunk(self._numbers, self._lines, self._content, self._refused)
        self._new()
        return chunk

    def _add(self, number: int, line: bytes, content: bytes) -> None:
        self._numbers.append(number)
        self._lines.append(line)
        self._content.append(content)
        self._bytes += len(line)


class _Identified(msgspec.Struct):
    event_id: str | None = None


_ID = msgspec.json.Decoder(_Identified)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_JSON = msgspec.json.Encoder()
_NO_JSON = (msgspec.DecodeError, ValueError, RecursionError)  # ValueError: no UTF-8


def _lacks_id(line: bytes) -> bool:
    try:
        return _ID.decode(line).event_id is None
    except _NO_JSON:
        return False  # no JSON, or an id that is no text: the codec says so


def _ndjson(blocks: Iterable[list[bytes]], mapping: FieldMapping | None) -> Iterator[Chunk]:
    builder = _Builder((), mapping)
    add = builder.add_line if mapping is None else builder.add_object
    number = 0
    for block in blocks:
        for ended in block:
            number += 1
            line = ended.removesuffix(b"\r")
            if len(line) > LINE_BYTES_MAX:
                builder.refuse(number, Reason.TOO_LARGE, f"the line is over {LINE_BYTES_MAX} bytes", line)
            elif line.strip():
                add(number, line)
            if builder.is_full:
                yield builder.take()
        yield builder.take()  # the next block may be long in coming, and may be an error


def _csv(source: ByteSource, blocks: Iterable[list[bytes]], mapping: FieldMapping | None) -> Iterator[Chunk]:
    csv.field_size_limit(CSV_FIELD_CHARS_MAX)
    lines = (line for block in blocks for line in block)
    first = next(lines, b"")
    delimiter = (mapping and mapping.delimiter) or _delimiter(first)
    header = next(csv.reader([first.decode("utf-8", "replace")], delimiter=delimiter), [])
    _check_columns(source, header, mapping)
    builder = _Builder(header, mapping)
    try:
        for _ in _add_rows(builder, header, lines, delimiter):
            if builder.is_full:
                yield builder.take()
    except FileProblem:
        yield builder.take()
        raise
    yield builder.take()


def _add_rows(builder: _Builder, header: list[str], lines: Iterable[bytes], delimiter: str) -> Iterator[None]:
    """Adds one row at each step."""
    physical: list[bytes] = []
    reader = csv.reader(_texts(lines, physical), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 2  # the header is line 1, and the reader hasn't seen it
        physical.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            through = f"lines {number} to {reader.line_num + 1}: " if reader.line_num >= number else ""
            builder.refuse(number, Reason.UNDECODABLE, f"{through}{error}", b"\n".join(physical))
        else:
            _add_cells(builder, number, header, cells, physical)
        yield


def _texts(lines: Iterable[bytes], physical: list[bytes]) -> Iterator[str]:
    """Lines for the CSV reader, noted down as they are pulled. Bytes that are no UTF-8 pass and are found later."""
    for line in lines:
        physical.append(line)
        yield line.decode("utf-8", "surrogateescape") + "\n"


def _add_cells(builder: _Builder, number: int, header: list[str], cells: list[str], physical: Sequence[bytes]) -> None:
    content = b"\n".join(physical)
    if max(map(len, physical)) > LINE_BYTES_MAX:
        builder.refuse(number, Reason.TOO_LARGE, f"the line is over {LINE_BYTES_MAX} bytes", content)
    elif cells and len(cells) != len(header):
        builder.refuse(
            number, Reason.UNDECODABLE, f"has {len(cells)} cells where the header has {len(header)}", content
        )
    elif cells:
        builder.add_row(number, dict(zip(header, cells, strict=True)), content)


def _delimiter(header: bytes) -> str:
    """The one that the header has most of; a comma in a header of one column."""
    return max(DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def _check_columns(source: ByteSource, columns: Sequence[str], mapping: FieldMapping | None) -> None:
    """Raises FileProblem, so that a wrong file or mapping shows at once and not as a million refusals."""
    if not columns:
        raise FileProblem(f"{source.name}: is empty; its first line must name the columns")
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise FileProblem(f"{source.name}: has two columns {shown(twice[0])}")
    if mapping:
        for field, column in mapping.columns.items():
            if column not in columns and column.partition(".")[0] not in columns:
                raise FileProblem(
                    f"{source.name}: has no column {shown(column)}, which the mapping wants for {field}"
                    f"{nearest(column, columns)}"
                )
        return
    for column in columns:
        if column not in FIELDS and not column.startswith(ATTRIBUTE_PREFIX):
            raise FileProblem(
                f"{source.name}: unknown column {shown(column)}{nearest(column, FIELDS)};"
                f" name columns as fields or attributes.NAME, or give --map MAPPING.yaml"
            )


def _parquet(source: ByteSource, mapping: FieldMapping | None) -> Iterator[Chunk]:
    number = 0
    try:
        with pq.ParquetFile(source.path) as file:
            columns = file.schema_arrow.names
            _check_columns(source, columns, mapping)
            builder = _Builder(columns, mapping)
            for batch in file.iter_batches(batch_size=ROWS_PER_CHUNK):
                source.bytes_done = (source.bytes_total or 0) * number // max(1, file.metadata.num_rows)
                for cells in zip(*map(_cells, batch.columns), strict=True):
                    number += 1
                    row = dict(zip(columns, cells, strict=True))
                    builder.add_row(number, row, _row_text(row))
                yield builder.take()
    except (pa.ArrowException, OSError) as error:
        raise FileProblem(f"{source.name}: can't be read as Parquet: {str(error).splitlines()[0]}") from error
    source.bytes_done = source.bytes_total or 0


def _cells(column: Any) -> list[Any]:
    """A column's values for Python; one that Python has no value for doesn't lose the others."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # text that is no UTF-8, a year beyond 9999
        return [_cell(scalar) for scalar in column]


def _cell(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else str(scalar.value)


def _row_text(row: Mapping[str, Any]) -> bytes:
    try:
        return _JSON.encode(row)
    except (TypeError, OverflowError, UnicodeEncodeError):
        return repr(row).encode("utf-8", "backslashreplace")
