"""The oracle reads what the contract says an event is, and nothing else."""

import io
import json
import math
import struct
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.oracle import decode, validate
from tests.oracle.decode import Decoder, Refused, fingerprint
from tests.oracle.events import WRITER_SCHEMAS, WRITERS
from tests.oracle.validate import check, milliseconds
from touchstream.schemas import touchpoint

JSON_SUITE = Path(__file__).parents[4] / "shared" / "data" / "conformance" / "json_test_suite" / "test_parsing"
NOW = 1_800_000_000_000
EVENT: dict[str, Any] = {
    "event_id": "e1", "occurred_at": NOW, "customer_id": "ann", "channel": "web", "touchpoint": "checkout",
    "action": "survey", "nps": 9, "sentiment": 0.1, "duration_ms": 5, "attributes": {"ü": "\x00"}, "received_at": -1,
}  # fmt: skip
DECODER = Decoder(WRITER_SCHEMAS)


def avro_body(number: int, made: dict[str, Any] = EVENT) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(WRITERS[number])), {"device": "kiosk"} | made)
    return body.getvalue()


def counted(value: bytes | None) -> dict[str, Any]:
    return check(DECODER.event(value), NOW)


def reason(value: bytes | None) -> str:
    with pytest.raises(Refused) as refused:
        counted(value)
    return refused.value.reason


def json_reason(**fields: Any) -> str:
    return reason(json.dumps(EVENT | fields).encode())


@pytest.mark.parametrize(("schema", "crc"), [('"null"', 0x63DD24E7CC258F8A), ('"int"', 0x7275D51A3F395C8F)])
def test_fingerprints_are_those_of_the_avro_specification(schema: str, crc: int) -> None:
    assert fingerprint(schema) == crc.to_bytes(8, "little")


def test_a_logical_type_leaves_no_trace_in_the_fingerprint() -> None:
    """By the rule [PRIMITIVES] of the parsing canonical form."""
    field = {"name": "at", "type": "long"}
    plain = {"type": "record", "name": "r", "fields": [field]}
    dated = {
        "type": "record",
        "name": "r",
        "fields": [field | {"type": {"type": "long", "logicalType": "timestamp-millis"}}],
    }
    assert fingerprint(json.dumps(dated)) == fingerprint(json.dumps(plain))


def test_all_encodings_of_an_event_say_the_same() -> None:
    spelled = EVENT | {"occurred_at": "2027-01-15T09:00:00.000+01:00", "nps": 9.0}
    values = [
        json.dumps(EVENT).encode(),
        json.dumps(spelled).encode(),
        b"\xc3\x01" + fingerprint(WRITERS[1]) + avro_body(1),
        b"\x00" + struct.pack(">i", 1) + avro_body(1),
    ]
    events = [counted(value) for value in values]
    assert all(event == events[0] for event in events)
    assert {name: events[0][name] for name in EVENT} == EVENT


def test_fields_that_an_older_writer_did_not_know_have_their_defaults() -> None:
    event = counted(b"\x00" + struct.pack(">i", 2) + avro_body(2))
    assert (event["nps"], event["sentiment"], event["attributes"], event["received_at"]) == (9, None, {}, None)


def test_fields_of_another_writer_are_found_by_name() -> None:
    event = counted(b"\x00" + struct.pack(">i", 3) + avro_body(3))
    assert (event["customer_id"], event["duration_ms"]) == ("ann", 5)
    assert math.isclose(event["sentiment"], 0.1, rel_tol=1e-6)


def test_each_refusal_has_its_reason() -> None:
    known = b"\xc3\x01" + fingerprint(WRITERS[1])
    assert {reason(value) for value in (None, b"", b"[]", b"\x00\x01", known + avro_body(1)[:-1])} == {"undecodable"}
    assert reason(known + avro_body(1) + b"\x00") == "undecodable"
    assert reason(b"\x00\x00\x00\x00\x09" + avro_body(1)) == "unknown_schema"
    assert reason(b"\xc3\x01" + bytes(8) + avro_body(1)) == "unknown_schema"
    assert reason(b"{" + b" " * 2**20) == "too_large"
    assert json_reason(channel=None) == json_reason(channel="") == "missing_field"
    assert json_reason(nps="9") == json_reason(nps=True) == json_reason(npss=9) == "wrong_type"
    assert json_reason(nps=2**40) == json_reason(sentiment=1.01) == json_reason(event_id="é" * 501) == "out_of_scale"
    assert json_reason(occurred_at=NOW + 600_001) == "from_the_future"
    assert json_reason(occurred_at=-(2**60)) == "too_old"
    assert json_reason(customer_id="") == "no_customer"
    assert reason(known + avro_body(1, EVENT | {"sentiment": math.nan})) == "out_of_scale"


@pytest.mark.parametrize(("name", "low", "high"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7), ("sentiment", -1, 1)])
def test_answers_on_the_ends_of_their_scale_count_and_beyond_are_refused(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert counted(json.dumps(EVENT | {name: value}).encode())[name] == value
    assert json_reason(**{name: low - 1}) == json_reason(**{name: high + 1}) == "out_of_scale"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 400])
def test_a_number_that_json_does_not_know_is_undecodable(number: str) -> None:
    assert reason(json.dumps(EVENT).replace(": 0.1", f": {number}").encode()) == "undecodable"


@pytest.mark.parametrize("text", ["1", "20261122", "yesterday", "2026-13-01", "x" * 41, ""])
def test_a_text_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="wrong_type"):
        milliseconds(text)


def test_dates_without_a_zone_are_utc_and_parts_of_a_millisecond_are_cut() -> None:
    assert milliseconds("1970-01-01") == 0
    assert milliseconds("1969-12-31T23:59:59.999999") == -1


def test_the_bounds_are_those_of_the_contract() -> None:
    for name in (
        "NAME_BYTES_MAX",
        "REVENUE_MINOR_MAX",
        "DURATION_MS_MAX",
        "TIME_MS_MIN",
        "TIME_MS_MAX",
        "FUTURE_LIMIT_MS",
    ):
        assert getattr(validate, name) == getattr(touchpoint, name), name
    assert decode.BYTES_MAX == touchpoint.EVENT_BYTES_MAX


@pytest.mark.skipif(not JSON_SUITE.exists(), reason=f"the test data is not here: {JSON_SUITE}")
def test_texts_that_are_no_json_are_undecodable_and_the_others_are_read() -> None:
    texts = {path.name: path.read_bytes() for path in JSON_SUITE.glob("[ny]_*.json")}
    assert len(texts) > 200
    for name, text in texts.items():
        as_value = b'{"event_id": ' + text + b"}"
        if name.startswith("y_"):
            # JSON it is, but no event: which of two values was meant?
            assert reason(as_value) == ("undecodable" if "duplicated_key" in name else "missing_field"), name
        else:
            assert reason(text) == "undecodable", name
        if name.startswith(("n_array", "n_number", "n_object", "n_string")):
            assert reason(as_value) == "undecodable", name
