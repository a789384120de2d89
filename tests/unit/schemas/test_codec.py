"""Single events to bytes and back, and what is said of those that can't be read."""

import json
from pathlib import Path
from typing import Any

import avro.schema
import fastavro.schema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.codec import (
    FINGERPRINT,
    SCHEMA_TEXT,
    SINGLE_OBJECT,
    Undecodable,
    UnknownSchema,
    WriterSchemas,
    decode_avro,
    decode_json,
    encode_confluent,
    encode_single_object,
    from_fields,
    parse_json,
)
from touchstream.schemas.touchpoint import Reason, Refusal, Touchpoint

LEAST: dict[str, Any] = {"event_id": "e", "occurred_at": 1_700_000_000_123, "channel": "web", "touchpoint": "checkout"}
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
LONG = st.integers(-(2**63), 2**63 - 1)
INT = st.integers(-(2**31), 2**31 - 1)
EVENTS = st.builds(
    Touchpoint,
    event_id=TEXT,
    occurred_at=LONG,
    customer_id=TEXT | st.none(),
    anonymous_id=TEXT | st.none(),
    channel=TEXT,
    touchpoint=TEXT,
    stage=TEXT | st.none(),
    journey=TEXT | st.none(),
    segment=TEXT | st.none(),
    action=TEXT,
    outcome=TEXT | st.none(),
    duration_ms=LONG | st.none(),
    nps=INT | st.none(),
    csat=INT | st.none(),
    ces=INT | st.none(),
    sentiment=st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    revenue_minor=LONG | st.none(),
    currency=TEXT | st.none(),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    received_at=LONG | st.none(),
)


def refusal(value: dict[str, object]) -> Refusal:
    result = decode_json(json.dumps(value).encode(), 7)
    assert isinstance(result, Refusal), result
    assert result.position == 7
    return result


@settings(deadline=None)
@given(EVENTS)
def test_every_event_comes_back_from_all_three_encodings(event: Touchpoint) -> None:
    single = encode_single_object(event)
    assert decode_avro(single[10:], WriterSchemas().find(single[:10])) == event
    assert encode_confluent(event, 1)[5:] == single[10:]
    assert decode_json(msgspec.json.encode(event)) == event


def test_a_single_object_starts_with_the_marker_and_the_fingerprint_that_fastavro_computes() -> None:
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(SCHEMA_TEXT))
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    assert encode_single_object(Touchpoint(**LEAST))[:10] == b"\xc3\x01" + fingerprint


def test_a_confluent_message_starts_with_zero_and_the_schema_number_highest_byte_first() -> None:
    assert encode_confluent(Touchpoint(**LEAST), 258)[:5] == b"\x00\x00\x00\x01\x02"


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
        ("2023-11-14 22:13:20.1239", 1_700_000_000_123),
        ("20231114T221320.123", 1_700_000_000_123),
        ("2023-11-14", 1_699_920_000_000),
        ("2023-11-14T00:00", 1_699_920_000_000),
        ("1969-12-31T23:59:59.9999Z", -1),
    ],
)
def test_times_in_json_may_be_iso_8601_and_are_utc_if_unmarked(text: str, milliseconds: int) -> None:
    event = from_fields({**LEAST, "occurred_at": text, "received_at": text})
    assert isinstance(event, Touchpoint)
    assert event.occurred_at == event.received_at == milliseconds


@pytest.mark.parametrize("text", ["", "yesterday", "1700000000123", "1712121200000", "2023-02-30", "9" * 10_000])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    assert refusal({**LEAST, "occurred_at": text}).reason == Reason.WRONG_TYPE


def test_a_whole_number_may_be_written_with_a_point() -> None:
    event = from_fields({**LEAST, "nps": 5.0, "revenue_minor": -0.0, "occurred_at": 1.7e12})
    assert isinstance(event, Touchpoint)
    assert (event.nps, event.revenue_minor, event.occurred_at) == (5, 0, 1_700_000_000_000)
    assert type(event.nps) is int


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nps", 5.5),
        ("nps", "5"),
        ("nps", True),
        ("occurred_at", True),
        ("channel", 5),
        ("channel", ["web"]),
        ("action", None),
        ("sentiment", "0.5"),
        ("attributes", {"a": 1}),
        ("attributes", []),
        ("attributes", None),
    ],
)
def test_a_value_of_another_type_is_refused(field: str, value: object) -> None:
    refused = refusal({**LEAST, field: value})
    assert refused.reason == Reason.WRONG_TYPE
    assert field in refused.detail


@pytest.mark.parametrize("field", ["event_id", "occurred_at", "channel", "touchpoint"])
def test_a_required_field_that_is_absent_or_null_is_missing(field: str) -> None:
    without = {name: value for name, value in LEAST.items() if name != field}
    for fields in (without, {**LEAST, field: None}):
        refused = refusal(fields)
        assert refused.reason == Reason.MISSING_FIELD
        assert field in refused.detail


def test_a_misspelt_field_is_refused_and_not_lost() -> None:
    refused = refusal({**LEAST, "custmer_id": "c"})
    assert refused.reason == Reason.WRONG_TYPE
    assert "custmer_id" in refused.detail
    assert "put it in attributes" in refused.detail


@pytest.mark.parametrize(
    ("field", "value"), [("nps", 2**31), ("nps", 1e30), ("duration_ms", 2**63), ("ces", -(10**400))]
)
def test_a_number_too_large_for_its_column_is_out_of_scale(field: str, value: object) -> None:
    assert refusal({**LEAST, field: value}).reason == Reason.OUT_OF_SCALE


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b'{"event_id": "e"',
        b"[]",
        b'"e"',
        b"{} {}",
        b'{"event_id": NaN}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"",
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_value_that_is_no_json_object_is_undecodable(value: bytes) -> None:
    result = decode_json(value)
    assert isinstance(result, Refusal)
    assert result.reason == Reason.UNDECODABLE


def test_broken_json_is_undecodable_even_where_a_wrong_type_comes_before_the_fault() -> None:
    result = decode_json(b'{"event_id": 5, "occurred_at": tru')
    assert isinstance(result, Refusal)
    assert result.reason == Reason.UNDECODABLE


TWICE = [
    (', "nps": 3, "nps": 9}', "'nps'"),
    (',"nps":3,"nps":3}', "'nps'"),
    (', "nps":null, "nps":9}', "'nps'"),
    (', "nps":9, "nps" :null}', "'nps'"),
    (', "nps":9, "n\\u0070s"\n:2}', "'nps'"),
    (', "action":"contact", "action":"view"}', "'action'"),
    (', "attributes":{}, "attributes":{"a":"b"}}', "'attributes'"),
    (', "attributes":{"a":"b:c","a":"\\":"}}', "'a'"),
    (', "nps":"nine", "more":{"deep":[{"x":1,"x":2}]}}', "'x'"),
]


@pytest.mark.parametrize(("end", "name"), TWICE)
def test_a_name_that_stands_twice_in_an_object_is_undecodable_and_named(end: str, name: str) -> None:
    result = decode_json((json.dumps(LEAST)[:-1] + end).encode())
    assert isinstance(result, Refusal)
    assert (result.reason, result.detail) == (
        Reason.UNDECODABLE, f"JSON: {name} stands twice in one object; send it once",
    )  # fmt: skip


@pytest.mark.parametrize(
    "end",
    [
        ',"nps":null,"csat":null,"action":"contact","attributes":{}}',
        ', "attributes":{"nps":"a \\":\\" :b","url":"https://x","event_id":"1"}}',
        ' ,"segment" :"a:b","stage":"event_id"}',
    ],
)
def test_names_that_stand_once_may_have_any_values_and_neighbours(end: str) -> None:
    assert isinstance(decode_json((json.dumps(LEAST)[:-1] + end).encode()), Touchpoint)


def test_many_names_of_which_one_stands_twice_are_read_in_one_pass() -> None:
    names = "".join(f'"{number}":"",' for number in range(50_000))
    result = decode_json((json.dumps(LEAST)[:-1] + f', "attributes":{{{names}"49999":""}}}}').encode())
    assert isinstance(result, Refusal)
    assert "'49999'" in result.detail


def test_parse_json_reads_any_json_text_and_raises_one_error_for_all_others() -> None:
    assert parse_json(b' [1, {"a": null}] ') == [1, {"a": None}]
    with pytest.raises(Undecodable, match="nested too deeply"):
        parse_json(b"[" * 100_000)


def test_an_unknown_fingerprint_is_an_unknown_schema() -> None:
    with pytest.raises(UnknownSchema, match="0001020304050607"):
        WriterSchemas().find(b"\xc3\x01" + bytes(range(8)))


def test_without_a_registry_a_numbered_schema_is_unknown_and_the_message_names_the_setting() -> None:
    with pytest.raises(UnknownSchema, match="SCHEMA_REGISTRY_URL"):
        WriterSchemas().find(b"\x00\x00\x00\x00\x07")


def test_schemas_of_further_directories_are_known_by_their_fingerprints(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA_TEXT)
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "ces"]
    (tmp_path / "older.avsc").write_text(json.dumps(schema))
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    header = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    assert not WriterSchemas(None, tmp_path).find(header).in_columns
    assert WriterSchemas(None, tmp_path).find(b"\xc3\x01" + FINGERPRINT).in_columns


@pytest.mark.parametrize("text", ["{", '"string"', '{"type": "record", "name": "Touchpoint", "fields": []}'])
def test_a_schema_file_that_cannot_be_read_as_a_touchpoint_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.avsc").write_text(text)
    with pytest.raises(UnknownSchema, match=r"wrong\.avsc"):
        WriterSchemas(None, tmp_path)


def test_single_objects_with_the_fingerprint_that_the_avro_package_makes_are_read_as_well() -> None:
    header = SINGLE_OBJECT + bytes(avro.schema.parse(SCHEMA_TEXT).fingerprint("CRC-64-AVRO"))
    assert WriterSchemas().find(header) == WriterSchemas().find(SINGLE_OBJECT + FINGERPRINT)
    assert header != SINGLE_OBJECT + FINGERPRINT
