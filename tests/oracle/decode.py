"""From the bytes of a record to the fields of an event, with the `json` and `avro` packages."""

import io
import json
import math
import re
import struct
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast

import avro.io
import avro.schema
from avro.errors import AvroException

from tests.oracle.log import Definitions, WriterSchemas, version_of

READER_SCHEMA = Path(__file__).parents[2] / "schemas" / "touchpoint.avsc"
CONFLUENT, SINGLE_OBJECT, JSON = b"\x00", b"\xc3\x01", b"{"
BYTES_MAX = 1 << 20


class Refused(Exception):  # noqa: N818 - the word of the domain
    """A record that becomes a dead letter; `reason` is a code of interfaces.md."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Decoder:
    """Reads events in the three encodings, told apart by their first byte."""

    def __init__(self, schemas: WriterSchemas) -> None:
        self.by_id = {number: avro_reader(text) for number, text in schemas.by_id.items()}
        self.by_fingerprint = {fingerprint(text): avro_reader(text) for text in schemas.known}

    def event(self, value: bytes | None) -> dict[str, Any]:
        """The fields as written, those that an Avro writer left out with their defaults. Raises Refused."""
        if not value:
            raise Refused("undecodable", "empty")
        if len(value) > BYTES_MAX:
            raise Refused("too_large", f"{len(value)} bytes")
        if value.startswith(JSON):
            return json_object(value)
        if value.startswith(CONFLUENT) and len(value) >= 5:
            reader, body = self.by_id.get(struct.unpack(">i", value[1:5])[0]), value[5:]
        elif value.startswith(SINGLE_OBJECT) and len(value) >= 10:
            reader, body = self.by_fingerprint.get(value[2:10]), value[10:]
        else:
            raise Refused("undecodable", f"starts with {value[:2]!r}")
        if reader is None:
            raise Refused("unknown_schema", f"{value[:10]!r}")
        return avro_event(reader, body)

    def definitions(self, value: bytes | None) -> Definitions:
        """The definitions that a control record carries. Raises Refused."""
        try:
            said = json.loads(value or b"", parse_constant=_no_constant)
            made = Definitions(**said)
            days = made.lateness_seconds / 86_400, made.duplicate_horizon_seconds / 86_400, made.pane_retention_days
            bounded = all(0 <= one <= most for one, most in zip(days, (30, 365, 36_500), strict=True))
            if not bounded or not 0 <= made.duplicate_ids_max <= 2**30 or made.version != version_of(said):
                raise ValueError(said)  # noqa: TRY301 - refused like what is no JSON
        except (TypeError, ValueError, RecursionError) as error:
            raise Refused("control_refused", f"definitions: {str(error)[:200]}") from error
        return made

    def erasures(self, value: bytes | None, record_at: int) -> dict[str, int]:
        """Who is to be forgotten, as a control record says: hashed ids, and up to when. Raises Refused."""
        try:
            said = json.loads(value or b"")
            ids, until = said["id_hashes"], said["erased_at"]
            hashed = all(re.fullmatch("[0-9a-f]{64}", one) for one in ids)
            if type(ids) is not list or type(until) is not int or not hashed or not 0 < len(ids) <= 10_000:
                raise ValueError(said)  # noqa: TRY301 - refused like what is no JSON
            if until > record_at + 600_000:
                raise ValueError(until)  # noqa: TRY301
        except (TypeError, ValueError, KeyError) as error:
            raise Refused("control_refused", f"erasures: {error}") from error
        return dict.fromkeys(ids, min(until, record_at))


@cache
def fingerprint(schema: str) -> bytes:
    """CRC-64-AVRO of a schema's canonical form, as eight bytes, the lowest first: as a single object carries it.

    The canonical form has no logical types; the `avro` package leaves braces where one was.
    """
    return bytes(without_logical_types(schema).fingerprint("CRC-64-AVRO"))


@cache
def avro_reader(writer: str) -> avro.io.DatumReader:
    """Reads what was written with `writer` as a Touchpoint."""
    return avro.io.DatumReader(without_logical_types(writer), without_logical_types(READER_SCHEMA.read_text()))


def without_logical_types(schema: str) -> avro.schema.Schema:
    """Times stay whole numbers: the `avro` package would make datetimes, which end at the year 9999."""
    return avro.schema.parse(json.dumps(_stripped(json.loads(schema))))


def _stripped(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _stripped(value) for name, value in node.items() if name != "logicalType"}
    return [_stripped(item) for item in node] if isinstance(node, list) else node


def avro_event(reader: avro.io.DatumReader, body: bytes) -> dict[str, Any]:
    """One datum, and nothing after it."""
    stream = io.BytesIO(body)
    try:
        event = reader.read(avro.io.BinaryDecoder(stream))
    except (AvroException, ValueError, TypeError, IndexError, struct.error) as error:
        raise Refused("undecodable", f"{type(error).__name__}: {error}") from error
    if stream.read():
        raise Refused("undecodable", "bytes after the end of the record")
    return cast(dict[str, Any], event)


def json_object(value: bytes) -> dict[str, Any]:
    """One JSON object by RFC 8259, which is stricter than Python's `json`. No object has a name twice."""
    try:
        found = json.loads(
            value.decode(),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_each_once,
        )
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Refused("undecodable", str(error)[:200]) from error
    return cast(dict[str, Any], found)  # it starts with a brace


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for at, (name, _) in enumerate(pairs):
        if any(name == other for other, _ in pairs[:at]):
            raise ValueError(f"{name} twice")
    return dict(pairs)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_constant(text)
