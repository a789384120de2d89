"""Batches of events to columns: from the messages of a poll to one polars frame, and the messages that can't be read.

Good messages never suffer from bad ones, and no message ends the process.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro
from numpy.typing import NDArray

from touchstream.schemas.codec import (
    CONFLUENT,
    CONFLUENT_HEADER_BYTES,
    JSON_OBJECT,
    SINGLE_OBJECT,
    SINGLE_OBJECT_HEADER_BYTES,
    UnknownSchema,
    WriterSchema,
    WriterSchemas,
    decode_avro,
    name_twice,
    read_json,
)
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, NUMBERS, Reason, Refusal, Touchpoint, shown

_NUMBER_TYPES: Final = {"int": pl.Int32(), "long": pl.Int64(), "double": pl.Float64()}
_OTHER_TYPES: Final = {
    "occurred_at": pl.Int64(), "received_at": pl.Int64(), "attributes": pl.Map(pl.String, pl.String),
}  # fmt: skip


def _type_of(field: str) -> pl.DataType:
    return _NUMBER_TYPES[NUMBERS[field]] if field in NUMBERS else _OTHER_TYPES.get(field, pl.String())


COLUMNS: Final = pl.Schema(
    {"position": pl.UInt32(), **{field: _type_of(field) for field in Touchpoint.__struct_fields__}}
)
"""A decoded frame: `position` is the index in the batch, times are milliseconds since 1970 in UTC."""

_ENTRIES = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
_ATTRIBUTES = pl.col("attributes").cast(_ENTRIES).list.len()
_NAMES_AT_LEAST = pl.sum_horizontal(
    *(pl.col(name).is_not_null() for name in COLUMNS if name not in ("position", "action", "attributes")),
    pl.col("action") != "contact",
    _ATTRIBUTES > 0,
    _ATTRIBUTES,
)
"""How many names the JSON of an event has at least, those of its attributes included."""


class Decoded(NamedTuple):
    """The events that could be read, as COLUMNS, and the refusals of the others: both ordered by position."""

    frame: pl.DataFrame
    refused: list[Refusal]


def decode_batch(values: Sequence[bytes | None], writers: WriterSchemas) -> Decoded:
    """Reads messages in the three encodings, told apart by their first bytes. Values are judged in `schemas.validity`.

    A batch is what a poll brings: less than 1 GiB. Raises RegistryUnavailable if a schema can't be looked up now: then
    the whole batch is to be tried again.
    """
    return _together([_decode(header, group, values, writers) for header, group in _by_header(values).items()])


def _together(parts: Sequence[Decoded]) -> Decoded:
    frame = pl.concat([part.frame for part in parts] or [frame_of([])])
    if not frame["position"].is_sorted():
        frame = frame.sort("position")
    refused = [refusal for part in parts for refusal in part.refused]
    return Decoded(frame, sorted(refused, key=lambda refusal: refusal.position))


def frame_of(events: Sequence[tuple[int, Touchpoint]]) -> pl.DataFrame:
    """Single events with their positions as COLUMNS."""
    columns = {"position": pl.Series([position for position, _ in events], dtype=pl.UInt32)}
    for name in Touchpoint.__struct_fields__:
        values = [getattr(event, name) for _, event in events]
        # polars needs 40 µs to take one dict into a Map, Arrow half a microsecond.
        columns[name] = _maps(values) if name == "attributes" else pl.Series(values, dtype=COLUMNS[name], strict=True)
    return pl.DataFrame(columns)


def _maps(values: Sequence[dict[str, str]]) -> pl.Series:
    entries = pa.map_(pa.large_string(), pa.large_string())
    return pl.Series(pa.array([list(value.items()) for value in values], entries))


def _by_header(values: Sequence[bytes | None]) -> dict[bytes, list[int]]:
    """The positions of the messages that start alike: one group, one schema."""
    groups: dict[bytes, list[int]] = {}
    header, group = b"", groups.setdefault(b"", [])
    for position, value in enumerate(values):
        if not (header and value and value.startswith(header) and len(value) <= EVENT_BYTES_MAX):
            header = _header(value)
            group = groups.setdefault(header, [])
        group.append(position)
    return {header: group for header, group in groups.items() if group}


def _header(value: bytes | None) -> bytes:
    """What says how to read a message; nothing, if it can't be read whatever follows."""
    if not value or len(value) > EVENT_BYTES_MAX:
        return b""
    if value.startswith(SINGLE_OBJECT):
        return value[:SINGLE_OBJECT_HEADER_BYTES] if len(value) >= SINGLE_OBJECT_HEADER_BYTES else b""
    if value.startswith(CONFLUENT):
        return value[:CONFLUENT_HEADER_BYTES] if len(value) >= CONFLUENT_HEADER_BYTES else b""
    return JSON_OBJECT if value.startswith(JSON_OBJECT) else b""


def _decode(header: bytes, group: list[int], values: Sequence[bytes | None], writers: WriterSchemas) -> Decoded:
    if not header:
        return Decoded(frame_of([]), [_no_message(position, values[position]) for position in group])
    messages = [value for position in group if (value := values[position])]
    if header == JSON_OBJECT:
        return _objects(messages, group)
    try:
        writer = writers.find(header)
    except UnknownSchema as error:
        return Decoded(frame_of([]), [Refusal(position, Reason.UNKNOWN_SCHEMA, str(error)) for position in group])
    payloads = [message[len(header) :] for message in messages]
    if not writer.in_columns:
        return _single([decode_avro(payload, writer, at) for at, payload in zip(group, payloads, strict=True)], group)
    return _in_columns(payloads, group, writer)


def _no_message(position: int, value: bytes | None) -> Refusal:
    if not value:
        return Refusal(position, Reason.UNDECODABLE, "empty message")
    if len(value) > EVENT_BYTES_MAX:
        return Refusal(position, Reason.TOO_LARGE, f"{len(value)} bytes; an event has at most {EVENT_BYTES_MAX}")
    return Refusal(position, Reason.UNDECODABLE, f"neither Avro nor a JSON object: starts with {shown(value[:10])}")


def _single(results: list[Touchpoint | Refusal], group: list[int]) -> Decoded:
    """What was read message by message."""
    events = [(at, result) for at, result in zip(group, results, strict=True) if isinstance(result, Touchpoint)]
    return Decoded(frame_of(events), [result for result in results if isinstance(result, Refusal)])


def _objects(messages: list[bytes], group: list[int]) -> Decoded:
    """JSON objects. Only where a text has more colons than its event must have names, a name may stand there twice."""
    read = _single([read_json(value, position) for position, value in zip(group, messages, strict=True)], group)
    at = np.searchsorted(group, read.frame["position"].to_numpy())
    colons = np.fromiter(map(bytes.count, messages, repeat(b":")), np.int64, len(messages))[at]
    least = read.frame.select(_NAMES_AT_LEAST).to_series().to_numpy()
    suspected = [(int(at[row]), int(least[row])) for row in np.flatnonzero(colons > least)]
    refused = [refusal for one, names in suspected if (refusal := name_twice(messages[one], group[one], names))]
    if not refused:
        return read
    frame = read.frame.filter(~pl.col("position").is_in([one.position for one in refused]))
    return Decoded(frame, [*read.refused, *refused])


def _in_columns(payloads: list[bytes], group: list[int], writer: WriterSchema) -> Decoded:
    """Records of one schema, without their headers: all at once."""
    refused, schema = [], writer.in_columns
    try:
        batch = _read(payloads, schema)
    except ValueError:
        errors = _unreadable(payloads, schema)
        refused = [Refusal(group[at], Reason.UNDECODABLE, f"Avro: {error}") for at, error in errors.items()]
        payloads = [payload for at, payload in enumerate(payloads) if at not in errors]
        group = [position for at, position in enumerate(group) if at not in errors]
        batch = _read(payloads, schema)
    frame = _frame(batch, group)
    odd = _oddly_written(batch, payloads, schema)
    if not odd.any():
        return Decoded(frame, refused)
    again = [(group[at], payloads[at]) for at in np.flatnonzero(odd)]
    results = [decode_avro(payload, writer, position) for position, payload in again]
    return _together([Decoded(frame.filter(~odd), refused), _single(results, [position for position, _ in again])])


def _read(payloads: list[bytes], schema: str) -> pa.RecordBatch:
    """Raises ValueError if one can't be read. pyruhvro itself doesn't look at UTF-8, and polars takes it on trust."""
    batch = pyruhvro.deserialize_array(payloads, schema)
    batch.validate(full=True)
    return batch


def _unreadable(payloads: list[bytes], schema: str, start: int = 0) -> dict[int, str]:
    """Which of the records can't be read, and why.

    An error doesn't say which one it is about, so they are tried by eighths.
    """
    try:
        _read(payloads, schema)
    except ValueError as error:
        if len(payloads) == 1:
            return {start: str(error)}
        errors: dict[int, str] = {}
        step = -(-len(payloads) // 8)
        for at in range(0, len(payloads), step):
            errors |= _unreadable(payloads[at : at + step], schema, start + at)
        return errors
    return {}


def _oddly_written(batch: pa.RecordBatch, payloads: list[bytes], schema: str) -> NDArray[np.bool_]:
    """Which records differ from their own content written again.

    pyruhvro takes in silence what follows a record and what doesn't fit an int: an nps of 2**32+9 becomes a 9. Such
    bytes don't come back the same. Nor do a few that are right (a map in several blocks). They are read once more, one
    by one, to the letter.
    """
    (written,) = pyruhvro.serialize_record_batch(batch, schema, 1)
    given = pa.array(payloads, written.type)
    if given.equals(written):
        return np.zeros(len(payloads), dtype=bool)
    return np.asarray(pc.not_equal(given, written))


def _frame(batch: pa.RecordBatch, group: list[int]) -> pl.DataFrame:
    frame = pl.DataFrame(pl.from_arrow(batch))
    frame = frame.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in COLUMNS.items() if name not in frame.columns
    )
    return frame.select(
        pl.Series("position", group, dtype=pl.UInt32),
        # In Avro a map may hold a key twice. polars takes Arrow's word that none does; built anew, the last one counts.
        *(
            pl.col(name).cast(_ENTRIES).cast(dtype) if name == "attributes" else name
            for name, dtype in COLUMNS.items()
            if name != "position"
        ),
    )
