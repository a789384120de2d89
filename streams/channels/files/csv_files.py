"""Files of comma-separated values, as spreadsheets, survey tools and people write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from touchstream.schemas.touchpoint import Reason, shown
from touchstream.streams.channels.files.chunks import Builder, Chunk, check_columns
from touchstream.streams.channels.files.compressed import ByteSource, FileProblem
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX
from touchstream.streams.channels.formats.mapping import FieldMapping
from touchstream.streams.channels.formats.message_mapping import MessageMapping

CSV_FIELD_CHARS_MAX = 2 * 1024 * 1024  # an unclosed quote would else swallow the rest of the file into one field
DELIMITERS = ",;\t|"

_SEPARATOR = re.compile(rb'"?sep=(.)"?[,;\t|]*\r?', re.IGNORECASE)  # Excel's own line, before the header
_QUOTED = re.compile(rb'"[^"]*"')


def csv_chunks(
    source: ByteSource, blocks: Iterable[list[bytes]], mapping: FieldMapping | MessageMapping | None
) -> Iterator[Chunk]:
    """The chunks of a file. Raises FileProblem where it can't be read on; everything before that was yielded."""
    csv.field_size_limit(CSV_FIELD_CHARS_MAX)
    rows = _Rows(source, (line for block in blocks for line in block), mapping)
    builder = Builder(rows.header, mapping)
    try:
        for _ in rows.added_to(builder):
            if builder.is_full:
                yield builder.take()
    except FileProblem:
        yield builder.take()
        raise
    yield builder.take()


class _Rows:
    """The header of a file, and then its rows."""

    def __init__(
        self, source: ByteSource, lines: Iterator[bytes], mapping: FieldMapping | MessageMapping | None
    ) -> None:
        self._physical: list[bytes] = []
        self._lines_before = 0
        declared = mapping.delimiter if mapping else None
        first = next(lines, None)
        while first is not None and not first.strip():
            first = self._next_line(lines)
        first = first or b""
        separator = _SEPARATOR.fullmatch(first)
        if separator:
            declared = declared or separator[1].decode("utf-8", "replace")
            first = self._next_line(lines) or b""
        texts = self._texts(chain([first], lines))
        self._reader = csv.reader(texts, delimiter=declared or _delimiter(first), strict=True)
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise FileProblem(f"{source.name}: its header can't be read: {_why(error)}") from error
        self.header = [_readable(source, column) for column in header]
        check_columns(source, self.header, mapping)
        self._unnamed = [at for at, column in enumerate(self.header) if not column] if mapping is None else []

    def _next_line(self, lines: Iterator[bytes]) -> bytes | None:
        self._lines_before += 1
        return next(lines, None)

    def added_to(self, builder: Builder) -> Iterator[None]:
        """Adds one row at each step."""
        while True:
            number = self._line_number + 1
            self._physical.clear()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                through = f"lines {number} to {self._line_number}: " if self._line_number > number else ""
                builder.refuse(number, Reason.UNDECODABLE, f"{through}{_why(error)}", b"\n".join(self._physical))
            else:
                self._add(builder, number, cells)
            yield

    @property
    def _line_number(self) -> int:
        return self._lines_before + self._reader.line_num

    def _texts(self, lines: Iterable[bytes]) -> Iterator[str]:
        """Lines for the CSV reader, noted down as they are pulled. Bytes that are no UTF-8 pass and are found later."""
        for line in lines:
            line = line.removesuffix(b"\r")
            self._physical.append(line)
            yield line.decode("utf-8", "surrogateescape") + "\n"

    def _add(self, builder: Builder, number: int, cells: Sequence[str]) -> None:
        content = b"\n".join(self._physical)
        if max(map(len, self._physical)) > LINE_BYTES_MAX:
            builder.refuse(number, Reason.TOO_LARGE, f"the line is over {LINE_BYTES_MAX} bytes", content)
        elif cells and len(cells) != len(self.header):
            detail = f"has {len(cells)} cells where the header has {len(self.header)}"
            builder.refuse(number, Reason.UNDECODABLE, detail, content)
        elif nameless := [at for at in self._unnamed if cells and cells[at]]:
            detail = f"{shown(cells[nameless[0]])} stands in column {nameless[0] + 1}, which has no name; name it"
            builder.refuse(number, Reason.UNDECODABLE, detail, content)
        elif cells:
            builder.add_row(number, dict(zip(self.header, cells, strict=True)), content)


def _why(error: csv.Error) -> str:
    """What Python's reader says, where it says it to programmers."""
    if "new-line character" not in str(error):
        return str(error)
    return "a CR stands alone in it where other lines end with LF; make all line ends alike: tr '\\r' '\\n'"


def _delimiter(header: bytes) -> str:
    """The one that the header has most of, outside of quotes; a comma in a header of one column."""
    bare = _QUOTED.sub(b"", header)
    return max(DELIMITERS, key=lambda delimiter: bare.count(delimiter.encode()))


def _readable(source: ByteSource, column: str) -> str:
    try:
        column.encode()
    except UnicodeEncodeError:
        raw = column.encode("utf-8", "surrogateescape")
        raise FileProblem(
            f"{source.name}: the name of a column is no UTF-8; in Windows-1252 it reads"
            f" {shown(raw.decode('windows-1252', 'replace'))}: say encoding: windows-1252 in a mapping, or convert the"
            f" file: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    return column
