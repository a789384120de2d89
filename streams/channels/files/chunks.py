"""Rows of a file on their way to be events: gathered to chunks, completed by ids, refused where they can't be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from touchstream.schemas.codec import from_fields, name_twice
from touchstream.schemas.touchpoint import Reason, Touchpoint, shown
from touchstream.schemas.validity import canonical
from touchstream.streams.channels.event_ids import ContentIds
from touchstream.streams.channels.files.compressed import ByteSource, FileProblem
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX
from touchstream.streams.channels.formats.amounts import ValueRefused
from touchstream.streams.channels.formats.conversion import RowConverter
from touchstream.streams.channels.formats.mapping import ATTRIBUTE_PREFIX, FIELDS, FieldMapping, nearest
from touchstream.streams.channels.formats.message_conversion import Converted, Declined, MessageConverter, Outcome
from touchstream.streams.channels.formats.message_mapping import MessageMapping

ROWS_PER_CHUNK = 4096
CHUNK_BYTES_MAX = 4 * 1024 * 1024
_AROUND_BYTES = 12


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that can't become an event.

    `number` counts lines of a text file, elements of a JSON array, rows of a Parquet file, from 1.
    """

    number: int
    reason: Reason
    detail: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines: canonical JSON texts, their numbers and `content` (as in the file); those refused already.

    `notes`: what was read otherwise than the mapping has it, so far. `skipped`: messages that are no events, by why.
    """

    numbers: Sequence[int]
    lines: list[bytes]
    content: list[bytes]
    refused: list[RefusedLine]
    notes: list[str]
    skipped: Counter[str]


class Builder:
    """Gathers the lines of a chunk. One for a whole file, because ids depend on the lines before."""

    def __init__(self, columns: Sequence[str], mapping: FieldMapping | MessageMapping | None) -> None:
        self._converter: RowConverter | MessageConverter
        if isinstance(mapping, MessageMapping):
            self._converter = MessageConverter(mapping)
        else:
            self._converter = RowConverter(columns, mapping)
        self._ids = ContentIds(mapping.source if mapping else None)
        self._new()

    def _new(self) -> None:
        self._numbers: list[int] = []
        self._lines: list[bytes] = []
        self._content: list[bytes] = []
        self._refused: list[RefusedLine] = []
        self._skipped = Counter[str]()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to take what there is."""
        return len(self._lines) + len(self._refused) >= ROWS_PER_CHUNK or self._bytes >= CHUNK_BYTES_MAX

    def add_line(self, number: int, line: bytes) -> None:
        """A canonical line; it gets an id if it has none. What is no event for another reason, the codec refuses."""
        text = line.strip()
        if not text.startswith(b"{"):
            detail = f"is no JSON object: starts with {shown(text[:10])}; write one object a line, or an array of them"
            self.refuse(number, Reason.UNDECODABLE, detail, line)
        elif not _is_utf8(text):
            self.refuse(number, Reason.UNDECODABLE, _not_utf8(text), line)
        elif not _lacks_id(text):
            self._add(number, text, line)
        elif twice := name_twice(text):
            self.refuse(number, twice.reason, twice.detail, line)
        else:
            self._add_without_id(number, _OBJECT.decode(text), line)

    def add_object(self, number: int, line: bytes) -> None:
        """A line that holds a foreign JSON object."""
        try:
            row = _OBJECT.decode(line)
        except _NO_JSON as error:
            self.refuse(number, Reason.UNDECODABLE, f"JSON: {error}" if _is_utf8(line) else _not_utf8(line), line)
            return
        if twice := name_twice(line):
            self.refuse(number, twice.reason, twice.detail, line)
        else:
            self.add_row(number, row, line.strip())

    def add_row(self, number: int, row: Mapping[str, Any], content: bytes) -> None:
        """A row as column → value, or a message."""
        try:
            if isinstance(self._converter, RowConverter):
                self._add_fields(number, self._converter.fields(row), content)
            else:
                for message in self._converter.messages(row):
                    self._add_outcomes(number, self._converter.outcomes(message), content)
        except ValueRefused as error:
            self.refuse(number, error.reason, error.detail, content)

    def _add_outcomes(self, number: int, outcomes: Sequence[Outcome], content: bytes) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Converted):
                self._add_fields(number, outcome.fields, content)
            elif isinstance(outcome, Declined):
                self.refuse(number, outcome.reason, f"{outcome.rule}: {outcome.detail}".removeprefix(": "), content)
            else:
                self._skipped[outcome.why] += 1

    def _add_fields(self, number: int, event: dict[str, Any], content: bytes) -> None:
        try:
            if event.get("event_id") is None:
                self._add_without_id(number, event, content)
            else:
                self._add(number, _JSON.encode(event), content)
        except UnicodeEncodeError:
            self.refuse(number, Reason.UNDECODABLE, _not_utf8(content), content)
        except (TypeError, OverflowError) as error:
            self.refuse(number, Reason.WRONG_TYPE, str(error), content)

    def refuse(self, number: int, reason: Reason, detail: str, content: bytes) -> None:
        """A line that is no event."""
        if len(content) > LINE_BYTES_MAX:
            reason, detail = Reason.TOO_LARGE, f"the line is over {LINE_BYTES_MAX} bytes"
        self._refused.append(RefusedLine(number, reason, detail, content))
        self._bytes += len(content)

    def take(self) -> Chunk:
        """What was gathered since the last time."""
        chunk = Chunk(self._numbers, self._lines, self._content, self._refused, self._converter.notes, self._skipped)
        self._new()
        return chunk

    def _add_without_id(self, number: int, fields: dict[str, Any], content: bytes) -> None:
        fields |= {"event_id": "none yet"}
        event = from_fields(fields)
        if isinstance(event, Touchpoint):
            event = canonical(event)
            self._add(number, _JSON.encode(msgspec.structs.replace(event, event_id=self._ids.id_of(event))), content)
        else:
            self._add(number, _JSON.encode(fields), content)  # for the codec to refuse

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
        if _ID.decode(line).event_id is not None:
            return False
        _OBJECT.decode(line)
    except _NO_JSON:
        return False  # no JSON, or an id that is no text: the codec says so
    return True


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(text: bytes) -> str:
    """What a refusal says of bytes of another encoding: how they would read in the commonest one."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        around = text[max(0, error.start - _AROUND_BYTES) : error.start + _AROUND_BYTES]
        reading = around.decode("windows-1252", "replace")
        return (
            f"byte {error.start + 1} ({text[error.start]:#04x}) is no UTF-8; in Windows-1252 it reads {shown(reading)}:"
            f" say encoding: windows-1252 in a mapping, or convert it: iconv -f WINDOWS-1252 -t UTF-8"
        )
    return "a text holds a lone surrogate, which UTF-8 can't; mend its encoding"


def check_columns(source: ByteSource, columns: Sequence[str], mapping: FieldMapping | MessageMapping | None) -> None:
    """Raises FileProblem, so that a wrong file or mapping shows at once and not as a million refusals.

    Columns that nothing is read from may have any name, the same twice, or none.
    """
    if not any(columns):
        raise FileProblem(f"{source.name}: is empty; its first line must name the columns")
    if isinstance(mapping, MessageMapping):
        return  # a rule may be for messages of another form; one that is for none of them is seen in what was skipped
    read = {*mapping.columns.values()} if mapping else {*filter(None, columns)}
    twice = sorted(column for column in read if columns.count(column) > 1)
    if twice:
        raise FileProblem(f"{source.name}: has two columns {shown(twice[0])}; name one of them otherwise")
    if mapping:
        for field, column in mapping.columns.items():
            if column not in columns and column.partition(".")[0] not in columns:
                raise FileProblem(
                    f"{source.name}: has no column {shown(column)}, which the mapping wants for {field}"
                    f"{nearest(column, columns)}"
                )
        return
    for column in filter(None, columns):
        if column not in FIELDS and not column.startswith(ATTRIBUTE_PREFIX):
            raise FileProblem(
                f"{source.name}: unknown column {shown(column)}{nearest(column, FIELDS)};"
                f" name columns as fields or attributes.NAME, or give --map MAPPING.yaml"
            )
