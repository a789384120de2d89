"""Records of a foreign topic as events: how values are read, which id an event has, what is kept of refused ones."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from touchstream.schemas.codec import WriterSchemas, fingerprint
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import Reason
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_mapping import MessageMapping, mapping_of, message_mapping
from touchstream.streams.channels.normalise.decoding import Decoder, MessageFormat, SchemaError, schema_of
from touchstream.streams.channels.normalise.intake import ForeignRecord, Normalised, RecordIntake

NOW = 1_796_000_000_000
SCHEMA: dict[str, Any] = {
    "type": "record", "name": "Order", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "who", "type": ["null", "string"]},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ],
}  # fmt: skip
ORDER = {
    "id": UUID("0198f0a2-7a4e-7c3b-9d52-5b1f0e6a9c11"), "at": datetime.fromtimestamp(NOW / 1000, UTC), "who": "ann",
    "total": Decimal("19.99"),
}  # fmt: skip
MAPPING = """
format: 2
name: orders
amounts: major
events:
  - name: order
    fields:
      event_id: id
      occurred_at: {path: [at, request.received_at]}
      customer_id: [who, request.headers.user, request.key]
      channel: {constant: shop}
      touchpoint: {path: [what, value], default: order}
      revenue_minor: total
      currency: {constant: EUR}
  - name: line
    each: lines[*]
    fields:
      occurred_at: at
      customer_id: who
      channel: {constant: shop}
      touchpoint: item
"""


class Registry:
    """Knows one schema, by the number 7."""

    def schema(self, number: int) -> str | None:
        return json.dumps(SCHEMA) if number == 7 else None


def body(order: dict[str, Any] = ORDER) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(SCHEMA), order)
    return written.getvalue()


@pytest.fixture
def mapping(tmp_path: Path) -> MessageMapping:
    (tmp_path / "orders.yaml").write_text(MAPPING)
    return message_mapping(tmp_path / "orders.yaml")


def record(
    value: Any, offset: int = 5, timestamp_ms: int = NOW - 1, headers: Mapping[str, bytes] | None = None
) -> ForeignRecord:
    content = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return ForeignRecord("log", 2, offset, timestamp_ms, b"bob", content, tuple((headers or {}).items()))


def normalised(mapping: MessageMapping, one: ForeignRecord, decoder: Decoder | None = None) -> Normalised:
    converter = MessageConverter(mapping)
    return RecordIntake("orders", converter, decoder or Decoder(), Encoder(), DEFAULT_VOID_IDS).normalised(one, NOW)


def events(found: Normalised) -> list[dict[str, Any]]:
    frame, refused = decode_batch([one.value for one in found.records if not one.headers], WriterSchemas())
    assert refused == []
    return frame.to_dicts()


@pytest.mark.parametrize(
    ("value", "decoder"),
    [
        (b"\x00\x00\x00\x00\x07" + body(), Decoder(registry=Registry())),
        (b"\xc3\x01" + fingerprint(json.dumps(SCHEMA)) + body(), Decoder(schema=json.dumps(SCHEMA))),
        (body(), Decoder(MessageFormat.AVRO, schema=json.dumps(SCHEMA))),
    ],
    ids=["by its number", "by its fingerprint", "without a header"],
)
def test_avro_is_read_with_its_times_amounts_and_ids(mapping: MessageMapping, value: bytes, decoder: Decoder) -> None:
    (event,) = events(normalised(mapping, record(value), decoder))
    assert (event["event_id"], event["occurred_at"], event["customer_id"]) == (str(ORDER["id"]), NOW, "ann")
    assert (event["revenue_minor"], event["currency"]) == (1999, "EUR")


@pytest.mark.parametrize(
    ("value", "decoder", "reason", "said"),
    [
        (b"\x00\x00\x00\x00\x08" + body(), Decoder(registry=Registry()), Reason.UNKNOWN_SCHEMA, "number 8"),
        (b"\x00\x00", Decoder(registry=Registry()), Reason.UNKNOWN_SCHEMA, "number"),
        (b"\x00\x00\x00\x00\x07" + body(), Decoder(), Reason.UNKNOWN_SCHEMA, "SCHEMA_REGISTRY_URL"),
        (b"\x00\x00\x00\x00\x07" + body()[:-1], Decoder(registry=Registry()), Reason.UNDECODABLE, "ends too early"),
        (b"\xc3\x01" + b"12345678" + body(), Decoder(schema=json.dumps(SCHEMA)), Reason.UNKNOWN_SCHEMA, "--schema"),
        (b'{"id": 1, "id": 2}', Decoder(), Reason.UNDECODABLE, "stands twice"),
        (b"{", Decoder(), Reason.UNDECODABLE, "JSON"),
        (b"", Decoder(), Reason.UNDECODABLE, "JSON"),
        (b"\xff", Decoder(MessageFormat.TEXT), Reason.UNDECODABLE, "no UTF-8"),
        ({"specversion": "1.0", "data_base64": "!"}, Decoder(), Reason.UNDECODABLE, "data_base64"),
    ],
)
def test_a_value_that_can_not_be_read_is_kept_as_it_came_with_the_record_that_it_was(
    mapping: MessageMapping, value: Any, decoder: Decoder, reason: Reason, said: str
) -> None:
    one = record(value)
    found = normalised(mapping, one, decoder)
    (letter,) = found.records
    headers = {name: text.decode() for name, text in letter.headers}
    assert (letter.value, headers["touchstream-refused"]) == (one.value, reason)
    assert said in headers["touchstream-refused-detail"]
    assert (headers["touchstream-origin"], headers["touchstream-sent-by"]) == ("orders/2/5", "topic/orders")
    assert found.outcomes == {"accepted": 0, reason.value: 1}


def test_an_event_without_an_id_has_that_of_its_place_in_its_record(mapping: MessageMapping) -> None:
    message = {"at": NOW, "who": "ann", "lines": ["shoes", "socks"]}
    first, again, next_one = (
        events(normalised(mapping, one)) for one in (record(message), record(message), record(message, offset=6))
    )
    assert [one["event_id"] for one in first] == ["log/2/5/order", "log/2/5/line", "log/2/5/line/1"]
    assert first == again
    assert {one["event_id"] for one in first}.isdisjoint(one["event_id"] for one in next_one)
    array = events(normalised(mapping, record([message, message])))
    assert len({one["event_id"] for one in array}) == 6


def test_a_record_says_when_it_was_received_unless_its_producers_clock_is_wrong(mapping: MessageMapping) -> None:
    for timestamp_ms, received_at in ((NOW - 86_400_000, NOW - 86_400_000), (-1, NOW), (NOW + 86_400_000, NOW)):
        (event,) = events(normalised(mapping, record({"who": "ann"}, timestamp_ms=timestamp_ms)))
        assert (event["received_at"], event["occurred_at"]) == (received_at, received_at)


def test_a_mapping_reads_the_records_key_and_headers(mapping: MessageMapping) -> None:
    assert [one["customer_id"] for one in events(normalised(mapping, record({"at": NOW})))] == ["bob"]
    assert [
        one["customer_id"] for one in events(normalised(mapping, record({"at": NOW}, headers={"User": b"eve"})))
    ] == ["eve"]


def test_a_text_is_a_value_that_the_mapping_reads(mapping: MessageMapping) -> None:
    (event,) = events(normalised(mapping, record(b"door opened"), Decoder(MessageFormat.TEXT)))
    assert (event["touchpoint"], event["customer_id"]) == ("door opened", "bob")


def test_a_tombstone_is_no_event(mapping: MessageMapping) -> None:
    found = normalised(mapping, record(None))
    assert (found.records, dict(found.skipped)) == ([], {"it has no value (a tombstone)": 1})


DATA = {"customer_id": "ann", "touchpoint": "opened", "channel": "app"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/app", "type": "opened", "time": "2026-11-30T00:00:00Z"}


@pytest.mark.parametrize(
    "one",
    [
        record(ENVELOPE | {"data": DATA}),
        record(ENVELOPE | {"data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()}),
        record(DATA, headers={f"ce_{name}": text.encode() for name, text in ENVELOPE.items()}),
    ],
    ids=["structured", "in base 64", "binary"],
)
def test_a_cloudevent_is_the_same_event_in_each_of_its_modes(one: ForeignRecord) -> None:
    shipped = mapping_of("cloudevents")
    assert isinstance(shipped, MessageMapping)
    (event,) = events(normalised(shipped, one))
    assert (event["event_id"], event["source"]) == ("/app#1", "/app")
    assert (event["customer_id"], event["touchpoint"], event["occurred_at"]) == ("ann", "opened", 1_795_996_800_000)


def test_a_binary_cloudevent_that_becomes_no_event_is_kept_with_its_attributes() -> None:
    shipped = mapping_of("cloudevents")
    assert isinstance(shipped, MessageMapping)
    headers = {f"ce_{name}": text.encode() for name, text in ENVELOPE.items()}
    data = DATA | {"duration_ms": "1,234"}
    (letter,) = normalised(shipped, record(data, headers=headers)).records
    assert json.loads(letter.value) == ENVELOPE | {"data": data}


def test_avro_without_any_schema_and_what_is_no_schema_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="--schema"):
        Decoder(MessageFormat.AVRO)
    file = tmp_path / "order.avsc"
    with pytest.raises(SchemaError, match="can't be read"):
        schema_of(file)
    for text, said in (('{"type": "no such"}', "no Avro schema"), ("{", "no Avro schema"), ("ü", "no UTF-8")):
        file.write_text(text, encoding="latin-1")
        with pytest.raises(SchemaError, match=said):
            schema_of(file)
