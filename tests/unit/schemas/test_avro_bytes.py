"""Avro's binary encoding to the letter: what is a record, and what only looks like one."""

import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstream.schemas.avro_bytes import DEPTH_MAX, require_record
from touchstream.schemas.compatibility import parsed

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
MAP = {"type": "map", "values": "int"}
LIST = {"type": "array", "items": "string"}
LOWEST_LONG, HIGHEST_LONG = b"\xff" * 9 + b"\x01", b"\xfe" + b"\xff" * 8 + b"\x01"


def judged(schema: object, data: bytes) -> str | None:
    try:
        require_record(parsed(json.dumps(schema)), data)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("null", b""),
        ("boolean", b"\x01"),
        ("int", b"\xff\xff\xff\xff\x0f"),
        ("long", LOWEST_LONG),
        ("long", HIGHEST_LONG),
        ("long", b"\x80\x80\x00"),
        ("float", bytes(4)),
        ("double", bytes(8)),
        ("bytes", b"\x04\xff\xfe"),
        ("string", b"\x04\xc3\xa9"),
        (ENUM, b"\x02"),
        (FIXED, b"ab"),
        (["null", "int"], b"\x02\x04"),
        (MAP, b"\x02\x02a\x02\x00"),
        (LIST, b"\x01\x04\x02a\x00"),
        ({"type": "array", "items": "null"}, b"\x02\x00"),
    ],
)
def test_a_value_written_by_the_rules_is_one(schema: object, data: bytes) -> None:
    assert judged(schema, data) is None


@pytest.mark.parametrize(
    ("schema", "data", "complaint"),
    [
        ("null", b"\x00", "1 bytes after the end"),
        ("boolean", b"", "ends too early"),
        ("boolean", b"\x02", "Boolean"),
        ("int", b"\x80", "ends too early"),
        ("int", b"\x80\x80\x80\x80\x10", "32 bits"),
        ("long", b"\x80" * 9 + b"\x02", "64 bits"),
        ("long", b"\x80" * 10 + b"\x00", "ten bytes"),
        ("double", bytes(7), "ends too early"),
        ("bytes", b"\x04a", "ends too early"),
        ("bytes", b"\x01", "below zero"),
        ("string", b"\x02\xff", "utf-8"),
        ("string", b"\x06\xed\xa0\x80", "utf-8"),
        (ENUM, b"\x04", "choice 2 of 2"),
        (ENUM, b"\x01", "choice -1 of 2"),
        (FIXED, b"a", "ends too early"),
        (["null", "int"], b"\x01", "choice -1 of 2"),
        (["null", "int"], b"\x04", "choice 2 of 2"),
        (MAP, b"\x02\x02a\x02", "ends too early"),
        (MAP, b"\x02\x02\xff\x02\x00", "utf-8"),
        (LIST, b"\x01\x06\x02a\x00", "claims 3"),
        ({"type": "array", "items": "null"}, HIGHEST_LONG + b"\x00", "more items than bytes"),
        ({"type": "array", "items": "null"}, b"\x04\x04\x04\x00", "more items than bytes"),
    ],
)
def test_a_value_that_breaks_a_rule_is_none(schema: object, data: bytes, complaint: str) -> None:
    assert complaint in str(judged(schema, data))


def test_nesting_has_an_end() -> None:
    schema = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    assert judged(schema, b"\x02" * (DEPTH_MAX // 2 - 1) + b"\x00") is None
    assert "too deeply" in str(judged(schema, b"\x02" * 1_000_000 + b"\x00"))


RECORD = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "a", "type": ["null", "long", "string"]},
        {"name": "b", "type": {"type": "array", "items": ENUM}},
        {"name": "c", "type": {"type": "map", "values": {"type": "array", "items": "double"}}},
        {"name": "d", "type": FIXED},
        {"name": "e", "type": ["E", "F", "boolean"]},
    ],
}


@given(
    st.fixed_dictionaries(
        {
            "a": st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8")),
            "b": st.lists(st.sampled_from(["A", "B"])),
            "c": st.dictionaries(st.text(st.characters(codec="utf-8")), st.lists(st.floats())),
            "d": st.binary(min_size=2, max_size=2),
            "e": st.booleans() | st.sampled_from(["A", "B"]) | st.binary(min_size=2, max_size=2),
        }
    ),
    st.data(),
)
def test_whatever_fastavro_writes_is_a_record_and_no_part_of_it_is(
    value: dict[str, object], data: st.DataObject
) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(RECORD))), value)
    written = out.getvalue()
    assert judged(RECORD, written) is None
    assert judged(RECORD, written[: data.draw(st.integers(0, len(written) - 1))]) is not None
    assert judged(RECORD, written + b"\x00") is not None
