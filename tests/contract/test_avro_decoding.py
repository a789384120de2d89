"""What we read from Avro bytes is what Apache Avro's own package reads, whichever library reads it for us."""

import io
import json
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import fastavro.schema
import msgspec
import pytest
from avro.errors import AvroTypeException
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.codec import (
    SCHEMA_TEXT,
    WriterSchemas,
    encode_single_object,
    fingerprint,
    without_logical_types,
)
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import Reason, Touchpoint

PLAIN = avro.schema.parse(json.dumps(without_logical_types(SCHEMA_TEXT)))
OTHER_TEXT = json.dumps(
    json.loads(SCHEMA_TEXT) | {"fields": [{"name": "more", "type": "int"}, *json.loads(SCHEMA_TEXT)["fields"]]}
)
OTHER = avro.schema.parse(json.dumps(without_logical_types(OTHER_TEXT)))
HEADER = encode_single_object(Touchpoint(event_id="", occurred_at=0, channel="", touchpoint=""))[:10]

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LONG = st.integers(-(2**63), 2**63 - 1)
INT = st.integers(-(2**31), 2**31 - 1)
BY_TYPE = {
    "string": TEXT,
    "long": LONG,
    "int": INT,
    "double": st.floats(allow_nan=False),
    "map": st.dictionaries(TEXT, TEXT, max_size=3),
}


def values_of(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    options = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kinds = [option["type"] if isinstance(option, dict) else option for option in options]
    return st.one_of(*(st.none() if kind == "null" else BY_TYPE[kind] for kind in kinds))


EVENTS = st.fixed_dictionaries({field["name"]: values_of(field) for field in json.loads(SCHEMA_TEXT)["fields"]})


class Registry:
    """Knows a schema with a field more than ours under 8: its events take the slow path."""

    def schema(self, number: int) -> str | None:
        return OTHER_TEXT if number == 8 else None


WRITERS = WriterSchemas(Registry())
PATHS = {"our schema": (HEADER, PLAIN), "another schema": (b"\x00\x00\x00\x00\x08", OTHER)}


def written(event: dict[str, Any], schema: avro.schema.Schema = PLAIN) -> bytes:
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(event, avro.io.BinaryEncoder(out))
    return out.getvalue()


def read(payload: bytes, schema: avro.schema.Schema = PLAIN) -> dict[str, Any] | None:
    """The event by the `avro` package; None if it can't be read, or not to the last byte."""
    body = io.BytesIO(payload)
    try:
        event = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(body))
    except Exception:
        return None
    assert isinstance(event, dict)
    return event if body.tell() == len(payload) else None


def decoded(payload: bytes, header: bytes = HEADER) -> dict[str, Any] | None:
    frame, refused = decode_batch([header + payload], WRITERS)
    assert frame.height + len(refused) == 1
    return None if refused else frame.drop("position").to_dicts()[0]


@settings(deadline=None)
@given(EVENTS)
def test_events_that_avro_writes_are_read_equal(event: dict[str, Any]) -> None:
    assert decoded(written(event)) == event


@settings(deadline=None)
@given(EVENTS)
def test_events_that_we_write_are_read_equal_by_avro(event: dict[str, Any]) -> None:
    assert read(encode_single_object(Touchpoint(**event))[10:]) == event


@pytest.mark.parametrize("path", PATHS)
@settings(deadline=None, max_examples=300)
@given(EVENTS, st.data())
def test_of_damaged_bytes_we_take_none_that_avro_reads_otherwise(
    path: str, event: dict[str, Any], data: st.DataObject
) -> None:
    header, schema = PATHS[path]
    payload = bytearray(written(event | {"more": 1} if schema is OTHER else event, schema))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        noise = data.draw(
            st.sampled_from([b"", b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff" * 9 + b"\x01"]) | st.binary(max_size=4)
        )
        payload[at : at + data.draw(st.integers(0, 3))] = noise
    ours, theirs = decoded(bytes(payload), header), read(bytes(payload), schema)
    if ours is not None:
        assert theirs is not None
        assert text_of(ours) == text_of({name: value for name, value in theirs.items() if name != "more"})
    elif theirs is not None:
        # The package takes more than Avro: a branch counted from the end, a number too large for its type.
        assert rewritten(theirs, schema) != bytes(payload)


def text_of(event: dict[str, Any] | None) -> str:
    """By which events are compared: damaged bytes may hold a number that is none, which is not equal to itself."""
    return json.dumps(event, sort_keys=True)


def test_a_number_that_is_none_is_read_as_avro_reads_it() -> None:
    event = dict.fromkeys((field["name"] for field in json.loads(SCHEMA_TEXT)["fields"]), None)
    event |= {"event_id": "e", "occurred_at": 1, "channel": "c", "touchpoint": "t", "action": "a", "attributes": {}}
    payload = written(event | {"sentiment": float("nan")})
    assert text_of(decoded(payload)) == text_of(read(payload)) != text_of(event)


def rewritten(event: dict[str, Any], schema: avro.schema.Schema) -> bytes | None:
    try:
        return written(event, schema)
    except AvroTypeException:
        return None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_noise_is_an_event_only_if_avro_says_so(noise: bytes) -> None:
    ours = decoded(noise)
    assert ours is None or text_of(ours) == text_of(read(noise))


def attributes_written(blocks: bytes) -> bytes:
    """An event whose attributes are the given bytes."""
    event = dict.fromkeys((field["name"] for field in json.loads(SCHEMA_TEXT)["fields"]), None)
    event |= {"event_id": "e", "occurred_at": 1, "channel": "c", "touchpoint": "t", "action": "a", "attributes": {}}
    behind = b"\x00" * (len(event) - 1 - list(event).index("attributes"))  # a null each
    payload = written(event)
    assert payload.endswith(b"\x00" + behind)
    return payload[: -len(behind) - 1] + blocks + behind


A_B, A_C, D_E = b"\x02a\x02b", b"\x02a\x02c", b"\x02d\x02e"


@pytest.mark.parametrize(
    ("blocks", "attributes"),
    [
        (b"\x02" + A_B + b"\x02" + D_E + b"\x00", {"a": "b", "d": "e"}),
        (b"\x01\x08" + A_B + b"\x00", {"a": "b"}),
        (b"\x03\x10" + A_B + D_E + b"\x00", {"a": "b", "d": "e"}),
        (b"\x04" + A_B + A_C + b"\x00", {"a": "c"}),
        (b"\x80\x00", {}),
    ],
    ids=[
        "two blocks",
        "a block with its size",
        "two entries with their size",
        "a key twice: the last counts",
        "long zero",
    ],
)
def test_a_map_may_be_written_in_any_way_that_avro_allows(blocks: bytes, attributes: dict[str, str]) -> None:
    frame, refused = decode_batch([HEADER + attributes_written(blocks)], WRITERS)
    assert refused == []
    assert frame["attributes"].to_arrow().to_pylist() == [list(attributes.items())]


@pytest.mark.parametrize(
    "blocks",
    [
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + A_B + b"\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + A_B + b"\x00",
        b"\x02\x02a\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01b\x00",
        b"\x02\x02a\x01b\x00",
        b"\x02" + A_B,
        b"\x02\x02\xff\x02b\x00",
        b"\x02\x02a\x06\xed\xa0\x80\x00",
        b"\xff" * 11 + b"\x01",
    ],
    ids=[
        "2**63-1 entries",
        "-2**63 entries",
        "huge text",
        "negative text",
        "no end",
        "key",
        "surrogate",
        "endless number",
    ],
)
def test_a_map_that_is_not_one_is_undecodable_at_once(blocks: bytes) -> None:
    _, refused = decode_batch([HEADER + attributes_written(blocks)], WRITERS)
    assert [refusal.reason for refusal in refused] == [Reason.UNDECODABLE]


def test_the_fingerprint_is_that_of_the_specification() -> None:
    assert fingerprint('"int"') == 0x7275D51A3F395C8F.to_bytes(8, "little")  # as in Avro's own tests
    assert fingerprint('{"type": "long", "logicalType": "timestamp-millis"}') == fingerprint('"long"')
    assert fingerprint(SCHEMA_TEXT) == bytes(PLAIN.fingerprint("CRC-64-AVRO"))


def evolved(tmp_path: Path, change: dict[str, Any]) -> tuple[WriterSchemas, Any, bytes]:
    """A writer's schema: ours without some fields, or with others in their place. Known by its fingerprint."""
    schema = json.loads(SCHEMA_TEXT)
    fields = [change.get(field["name"], field) for field in schema["fields"]]
    schema["fields"] = [field for field in [*fields, *change.get("more", [])] if field]
    text = json.dumps(schema)
    (tmp_path / "writer.avsc").write_text(text)
    return WriterSchemas(None, tmp_path), fastavro.parse_schema(schema), b"\xc3\x01" + fingerprint(text)


OTHER_SHAPES: dict[str, dict[str, Any]] = {
    "a field less": {"ces": None, "received_at": None},
    "fields more": {"more": [{"name": "tags", "type": {"type": "array", "items": "string"}}]},
    "a narrower number": {"revenue_minor": {"name": "revenue_minor", "type": "int"}},
    "a whole sentiment": {"sentiment": {"name": "sentiment", "type": ["null", "int"]}},
    "bytes for text": {"channel": {"name": "channel", "type": "bytes"}},
    "never null": {"customer_id": {"name": "customer_id", "type": "string"}},
    "another order of branches": {"nps": {"name": "nps", "type": ["int", "null"]}},
}


@pytest.mark.parametrize("shape", OTHER_SHAPES)
def test_events_of_another_compatible_schema_are_resolved_to_ours(tmp_path: Path, shape: str) -> None:
    writers, schema, header = evolved(tmp_path, OTHER_SHAPES[shape])
    event = {
        "event_id": "e", "occurred_at": 1, "customer_id": "c", "channel": "web", "touchpoint": "t", "action": "view",
        "nps": 9, "sentiment": 1, "revenue_minor": 500, "attributes": {"a": "b"}, "tags": ["x", "y"],
    }  # fmt: skip
    out = io.BytesIO()
    channel = event["channel"] if shape != "bytes for text" else b"web"
    fastavro.schemaless_writer(out, schema, event | {"channel": channel})
    good = header + out.getvalue()
    frame, refused = decode_batch([good, good[:-1], good + b"x", encode_single_object(Touchpoint(
        event_id="ours", occurred_at=2, channel="c", touchpoint="t"))], writers)  # fmt: skip
    assert [(refusal.position, refusal.reason) for refusal in refused] == [
        (1, Reason.UNDECODABLE),
        (2, Reason.UNDECODABLE),
    ]
    del event["tags"]
    expected = msgspec.structs.asdict(msgspec.convert(event, Touchpoint))
    assert frame.drop("position").to_dicts()[0] == expected
    assert frame["position"].to_list() == [0, 3]
