"""Files of events, whatever their format, as chunks of canonical JSON lines in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from touchstream.schemas.touchpoint import Reason, shown
from touchstream.streams.channels.files.chunks import ROWS_PER_CHUNK, Builder, Chunk, check_columns
from touchstream.streams.channels.files.compressed import STDIN, ByteSource, FileProblem
from touchstream.streams.channels.files.csv_files import csv_chunks
from touchstream.streams.channels.files.json_arrays import begins_array, split_elements
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX, in_utf8, split_lines
from touchstream.streams.channels.formats.mapping import FieldMapping
from touchstream.streams.channels.formats.message_mapping import MessageMapping

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


def read_chunks(
    source: ByteSource, asked_format: str | None, mapping: FieldMapping | MessageMapping | None
) -> Iterator[Chunk]:
    """All chunks of a source, from its beginning.

    Raises FileProblem where it can't be read on; everything before that was yielded.
    """
    found = format_of(source, asked_format)
    if found == "parquet":
        return _parquet(source, mapping)
    blocks = in_utf8(source.blocks(), source.name, mapping.encoding if mapping else None)
    if found == "csv":
        return csv_chunks(source, split_lines(blocks), mapping)
    return _json_chunks(source, blocks, mapping)


def _json_chunks(
    source: ByteSource, blocks: Iterator[bytes], mapping: FieldMapping | MessageMapping | None
) -> Iterator[Chunk]:
    """Objects a line each, or the elements of an array."""
    first = next((block for block in blocks if block.strip()), b"")
    rest = chain([first], blocks)
    lines = split_elements(rest, source.name) if begins_array(first) else split_lines(rest)
    builder = Builder((), mapping)
    add = builder.add_line if mapping is None else builder.add_object
    number = 0
    for block in lines:
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


def _parquet(source: ByteSource, mapping: FieldMapping | MessageMapping | None) -> Iterator[Chunk]:
    number = 0
    try:
        with pq.ParquetFile(source.path) as file:
            columns = file.schema_arrow.names
            check_columns(source, columns, mapping)
            builder = Builder(columns, mapping)
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
        return msgspec.json.encode(row)
    except (TypeError, OverflowError, UnicodeEncodeError):
        return repr(row).encode("utf-8", "backslashreplace")
