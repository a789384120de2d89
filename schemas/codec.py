"""Single events to bytes and back: Avro single-object encoding, Confluent's wire format, and JSON.

Batches are read by `schemas.columns`, with the same writers' schemas and, for JSON and foreign schemas, the same
functions.
"""

import io
import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import fastavro
import msgspec
from avro.schema import Schema

from touchstream.schemas.avro_bytes import require_record
from touchstream.schemas.compatibility import compatible, parsed
from touchstream.schemas.registry import SchemaRegistry
from touchstream.schemas.times import moment, readings, since_epoch
from touchstream.schemas.touchpoint import NUMBERS, WHOLE_NUMBERS, Reason, Refusal, Touchpoint, said_of_types, shown

SINGLE_OBJECT: Final = b"\xc3\x01"
"""Starts an Avro single object.

The CRC-64-AVRO of the writer schema's canonical form follows, 8 bytes, the lowest first.
"""
SINGLE_OBJECT_HEADER_BYTES: Final = 10

CONFLUENT: Final = b"\x00"
"""Starts a message in Confluent's wire format.

The schema's number in the registry follows, 4 bytes, the highest first.
"""
CONFLUENT_HEADER_BYTES: Final = 5

JSON_OBJECT: Final = b"{"

_HERE = Path(__file__).parent
SCHEMA_TEXT: Final = (_HERE / "touchpoint.avsc").read_text(encoding="utf-8")
"""`Touchpoint` as this version writes it."""

_INTEGERS = ("occurred_at", *WHOLE_NUMBERS, "received_at")
_TIMES = {"occurred_at", "received_at"}
_TIME_CHARS_MAX = 40
_INT32 = {name for name, avro in NUMBERS.items() if avro == "int"}
_FIELDS = frozenset(Touchpoint.__struct_fields__)
_REQUIRED = ("event_id", "occurred_at", "channel", "touchpoint")


class UnknownSchema(Exception):  # noqa: N818 - the word of the domain
    """No schema is known for a message's header, or the one known can't be read as a Touchpoint."""


class Undecodable(ValueError):  # noqa: N818
    """The bytes are not what they claim to be."""


class WriterSchema(msgspec.Struct, frozen=True):
    """A schema that messages were written with.

    in_columns: how whole batches of it are read: where it is ours, or ours of before nullable fields were added at its
    end. Empty for any other, of which messages are read one by one.
    """

    in_columns: str
    schema: Schema
    resolved: Any  # the same, as fastavro has parsed it


class WriterSchemas:
    """Finds the schema that a message was written with.

    By fingerprint: our own schema, all earlier ones in `schemas/history`, and the `.avsc` files of further directories.
    By number: through the registry, where there is one. Raises UnknownSchema for a file that can't be read as a
    Touchpoint.
    """

    def __init__(self, registry: SchemaRegistry | None = None, *directories: Path) -> None:
        self._registry = registry
        self._by_fingerprint = dict.fromkeys(_fingerprints(SCHEMA_TEXT), _writer(SCHEMA_TEXT))
        for directory in (_HERE / "history", *directories):
            for path in sorted(directory.glob("*.avsc")):
                self._add(path)

    def _add(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        try:
            writer = _writer(text)  # first, as it says what is wrong with a schema
            self._by_fingerprint |= dict.fromkeys(_fingerprints(text), writer)
        except UnknownSchema as error:
            raise UnknownSchema(f"{path}: {error}") from error

    def find(self, header: bytes) -> WriterSchema:
        """The writer's schema for a message's first 10 (single object) or 5 (Confluent) bytes.

        Raises UnknownSchema; or RegistryUnavailable, and then nothing is known and nothing may be refused.
        """
        if header.startswith(SINGLE_OBJECT):
            writer = self._by_fingerprint.get(header[len(SINGLE_OBJECT) :])
            if writer is None:
                raise UnknownSchema(f"no schema with the fingerprint {header[2:].hex()}; add it to the schema history")
            return writer
        number = int.from_bytes(header[len(CONFLUENT) :], "big", signed=True)
        if self._registry is None:
            raise UnknownSchema(f"schema number {number}, but no schema registry is set (SCHEMA_REGISTRY_URL)")
        text = None if number < 0 else self._registry.schema(number)
        if text is None:
            raise UnknownSchema(f"the schema registry knows no schema number {number}")
        return _writer(text)


def encode_single_object(event: Touchpoint) -> bytes:
    """An event that `schemas.validity.check` passes, as an Avro single object. It may still exceed EVENT_BYTES_MAX."""
    return SINGLE_OBJECT + FINGERPRINT + _body(event)


def encode_confluent(event: Touchpoint, schema_number: int) -> bytes:
    """The same in Confluent's wire format, under the number that the registry gave to `SCHEMA_TEXT`."""
    return CONFLUENT + schema_number.to_bytes(4, "big") + _body(event)


def decode_avro(payload: bytes, writer: WriterSchema, position: int = 0) -> Touchpoint | Refusal:
    """Reads one Avro record, without its header, by all rules of schema resolution. Slow: some 50 µs."""
    try:
        require_record(writer.schema, payload)
        fields = fastavro.schemaless_reader(io.BytesIO(payload), writer.resolved, CURRENT.resolved)
    except Exception as error:  # fastavro names no base class: IndexError, SchemaResolutionError, UnicodeDecodeError, …
        return Refusal(position, Reason.UNDECODABLE, f"Avro: {error}")
    return from_fields(fields, position)


def decode_json(value: bytes, position: int = 0) -> Touchpoint | Refusal:
    """Reads one event from a JSON object; see `from_fields`."""
    read = read_json(value, position)
    return (name_twice(value, position) or read) if isinstance(read, Touchpoint) else read


def read_json(value: bytes, position: int = 0) -> Touchpoint | Refusal:
    """The same, where whoever calls it looks for names that stand twice: `name_twice` tells."""
    try:
        return _EXACT.decode(value)  # by far the most; the rest is read again, to be mended or refused with a reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        fields = parse_json(value)
    except Undecodable as error:
        return Refusal(position, Reason.UNDECODABLE, f"JSON: {error}")
    return name_twice(value, position, _names_in(fields)) or from_fields(fields, position)


def name_twice(value: bytes, position: int = 0, names: int = 0) -> Refusal | None:
    """Refuses a JSON text with an object that holds a name twice: which of the values was meant is unknown.

    names: so many distinct ones it has at least, in its object and the objects in that.
    """
    most = _names_at_most(value)
    if most == names or most == _names_in(_ANYTHING.decode(value)):  # the second costs a microsecond
        return None
    try:
        # As text, for of thousands of digits int() makes no number.
        json.loads(value, object_pairs_hook=_distinct, parse_int=str)
    except _NameTwice as error:
        detail = f"JSON: {shown(error.args[0])} stands twice in one object; send it once"
        return Refusal(position, Reason.UNDECODABLE, detail)
    except (RecursionError, ValueError):  # it goes deeper than any event, and is refused for that
        return None
    return None


class _NameTwice(Exception):  # noqa: N818
    """Its argument is the name."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NameTwice(name)
            seen.add(name)
    return found


def _names_at_most(value: bytes) -> int:
    """Each name ends with a quote, and a colon follows, with blanks between them or none."""
    return value.translate(None, b" \t\r\n").count(b'":')


def _names_in(fields: Any) -> int:
    """How many distinct names the object has, and those of its objects."""
    if not isinstance(fields, dict):
        return 0
    # Most values are none of these: asked for their type they cost half of what a loop over them does.
    return len(fields) + sum([len(one) for one in fields.values() if type(one) is dict])


def parse_json(value: bytes) -> Any:
    """What a JSON text (RFC 8259, no byte order mark) says.

    Of a name that occurs twice the last counts (but see `name_twice`). Raises Undecodable.
    """
    try:
        return msgspec.json.decode(value)
    except RecursionError as error:
        raise Undecodable("nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(_malformed(value, str(error))) from error


def _malformed(value: bytes, said: str) -> str:
    """What is wrong with a JSON text, and where."""
    place = re.search(r"\(byte (\d+)\)", said)
    if place:
        at = int(place[1])
        return f"{said}, near {shown(value[max(0, at - 12) : at + 12].decode(errors='replace'))}"
    if re.search(rb"\\u[dD][89a-fA-F]", value):
        return f"{said}; it holds a lone surrogate, half of a character such as an emoji: cut texts between characters"
    return said


def from_fields(fields: object, position: int = 0) -> Touchpoint | Refusal:
    """A touchpoint from names and values, as JSON has them.

    Times are milliseconds or ISO 8601 (UTC if unmarked); whole numbers may be written 5.0. An unknown name is refused:
    it may be a known one misspelt, and then its value would be lost in silence. Values are judged in
    `schemas.validity`.
    """
    if not isinstance(fields, dict):
        return Refusal(position, Reason.UNDECODABLE, f"an event is a JSON object, not {shown(fields)}")
    fields = _without_nulls(fields)
    absent = [name for name in _REQUIRED if fields.get(name) is None]
    if absent:
        return Refusal(position, Reason.MISSING_FIELD, f"{', '.join(absent)} missing")
    if not _FIELDS.issuperset(fields):
        unknown = next(name for name in fields if name not in _FIELDS)
        return Refusal(position, Reason.WRONG_TYPE, f"unknown field {shown(unknown)}; put it in attributes")
    try:
        whole = {name: _whole(name, fields[name]) for name in _INTEGERS if name in fields}
    except ValueError as error:
        return Refusal(position, Reason.WRONG_TYPE, str(error))
    for name, value in whole.items():
        if type(value) is int and not _fits(name, value):
            return Refusal(position, Reason.OUT_OF_SCALE, f"{name} is {shown(value)}, far outside its scale")
    try:
        return msgspec.convert({**fields, **whole}, Touchpoint)
    except msgspec.ValidationError as error:
        return Refusal(position, Reason.WRONG_TYPE, said_of_types(error, fields))
    except UnicodeEncodeError:  # of Python's texts only
        return Refusal(
            position, Reason.WRONG_TYPE, "a text holds half of a surrogate pair; cut texts between characters"
        )


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """An attribute that is null says nothing, as one that isn't there."""
    attributes = fields.get("attributes")
    if not isinstance(attributes, dict) or None not in attributes.values():
        return fields
    return fields | {"attributes": {name: value for name, value in attributes.items() if value is not None}}


def _whole(name: str, value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if name in _TIMES and isinstance(value, float) and math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; that is {readings(value)}; send whole milliseconds since 1970")
    if name in _TIMES and isinstance(value, str):
        return _milliseconds(name, value)
    return value


def _milliseconds(name: str, text: str) -> int:
    try:
        # Digits alone are milliseconds in quotes; fromisoformat() would find a date in some of them.
        if not text.isdigit() and len(text) <= _TIME_CHARS_MAX:
            return since_epoch(moment(text))
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{name} is {shown(text)}; send milliseconds as a number, or ISO 8601 such as 2026-01-31T23:59:59Z"
    )


def _fits(name: str, value: int) -> bool:
    """Whether the column can hold it."""
    bits = 31 if name in _INT32 else 63
    return -(1 << bits) <= value < 1 << bits


def _body(event: Touchpoint) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, CURRENT.resolved, msgspec.structs.asdict(event))
    return body.getvalue()


@lru_cache(maxsize=256)
def _writer(text: str) -> WriterSchema:
    """Raises UnknownSchema for a schema that can't be read as a Touchpoint."""
    try:
        verdict = compatible(SCHEMA_TEXT, text)
        schema = parsed(text)
        resolved = fastavro.parse_schema(without_logical_types(text), named_schemas={})
    except Exception as error:  # fastavro refuses some schemas that avro takes, in its own ways
        raise UnknownSchema(f"its schema is no Avro schema: {error}") from error
    if not verdict.compatible:
        raise UnknownSchema(f"its schema can't be read as a Touchpoint: {'; '.join(verdict.messages)}")
    return WriterSchema(_in_columns(text), schema, resolved)


def _in_columns(text: str) -> str:
    """As `WriterSchema.in_columns`."""
    ours, theirs = _canonical(SCHEMA_TEXT), _canonical(text)
    fields = ours.pop("fields"), theirs.pop("fields", None)
    added = json.loads(SCHEMA_TEXT)["fields"][len(fields[1] or ()) :]
    begins_alike = theirs == ours and fields[1] == fields[0][: len(fields[1])]
    return json.dumps(without_logical_types(text)) if begins_alike and not any(_default(one) for one in added) else ""


def _default(field: dict[str, Any]) -> bool:
    """Whether a field that is not there says something."""
    return field.get("default", "required") is not None


def _canonical(text: str) -> Any:
    return json.loads(fastavro.schema.to_parsing_canonical_form(without_logical_types(text)))


def _fingerprints(text: str) -> tuple[bytes, ...]:
    """What single objects of a schema may carry: the fingerprint, and the one that the `avro` package makes of it."""
    return fingerprint(text), bytes(parsed(text).fingerprint("CRC-64-AVRO"))


def fingerprint(text: str) -> bytes:
    """CRC-64-AVRO of the schema's parsing canonical form, as a single object carries it: 8 bytes, the lowest first.

    By `fastavro`: in the `avro` package's canonical form a type with a logical type stays an object, against the rule
    "[PRIMITIVES] Convert primitive schemas to their simple form", and no other language finds the same fingerprint.
    """
    form = fastavro.schema.to_parsing_canonical_form(without_logical_types(text))
    return bytes.fromhex(fastavro.schema.fingerprint(form, "CRC-64-AVRO"))


def without_logical_types(text: str) -> Any:
    """The schema with plain numbers for times: a datetime ends at the year 9999, and a conversion costs."""
    return _plain(json.loads(text))


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _plain(value) for name, value in node.items() if name != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node


FINGERPRINT: Final = fingerprint(SCHEMA_TEXT)
_EXACT = msgspec.json.Decoder(Touchpoint)
_ANYTHING = msgspec.json.Decoder()
CURRENT = _writer(SCHEMA_TEXT)
