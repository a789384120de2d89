"""Batches to columns: order, encodings side by side, and bad messages that cost the good ones nothing."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.schemas.test_codec import LEAST, TWICE
from touchstream import schemas
from touchstream.schemas.codec import (
    SCHEMA_TEXT,
    SINGLE_OBJECT,
    WriterSchemas,
    encode_confluent,
    encode_single_object,
    fingerprint,
    without_logical_types,
)
from touchstream.schemas.columns import COLUMNS, decode_batch
from touchstream.schemas.registry import RegistryUnavailable
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, Reason, Touchpoint

WRITERS = WriterSchemas()


class Registry:
    """A registry that knows our schema under 7, other texts under their own numbers, and may be away."""

    def __init__(self, away: bool = False, **texts: str) -> None:
        self.texts = {7: SCHEMA_TEXT} | {int(number.strip("_")): text for number, text in texts.items()}
        self.away = away

    def schema(self, number: int) -> str | None:
        if self.away:
            raise RegistryUnavailable("away")
        return self.texts.get(number)


def event(number: int) -> Touchpoint:
    return Touchpoint(
        event_id=str(number),
        occurred_at=1_700_000_000_000 + number,
        customer_id=f"c{number % 3}",
        channel="web",
        touchpoint="checkout",
        nps=number % 11 if number % 2 else None,
        sentiment=0.25,
        attributes={str(n): "x" for n in range(number % 3)},
    )


def shortened(message: bytes) -> bytes:
    return message[:-2]


def not_utf8(message: bytes) -> bytes:
    return message.replace(b"checkout", b"check\xff\xfet")


def overlong(message: bytes) -> bytes:
    return message + b"more"


def nps_beyond_int(message: bytes) -> bytes:
    """The nps 9, written as 2**32 + 9: cut to 32 bits, it would pass for a 9."""
    nine, huge = b"\x02\x12\x00\x00\x02", b"\x02\x92\x80\x80\x80\x20\x00\x00\x02"
    assert message.count(nine) == 1
    return message.replace(nine, huge)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["single", "confluent", "json", "bad", "none"]), max_size=40))
def test_good_messages_come_out_in_order_whatever_stands_between_them(kinds: list[str]) -> None:
    write: dict[str, Callable[[Touchpoint], bytes | None]] = {
        "single": encode_single_object,
        "confluent": lambda written: encode_confluent(written, 7),
        "json": msgspec.json.encode,
        "bad": lambda written: shortened(encode_single_object(written)),
        "none": lambda _: None,
    }
    values = [write[kind](event(number)) for number, kind in enumerate(kinds)]
    frame, refused = decode_batch(values, WriterSchemas(Registry()))
    good = [number for number, kind in enumerate(kinds) if kind not in {"bad", "none"}]
    assert frame.schema == COLUMNS
    assert frame["position"].to_list() == good
    assert frame["event_id"].to_list() == [str(number) for number in good]
    assert [refusal.position for refusal in refused] == [n for n, kind in enumerate(kinds) if kind in {"bad", "none"}]


def test_every_field_arrives_in_its_column() -> None:
    full = Touchpoint(
        event_id="ë",
        occurred_at=-5,
        customer_id="c",
        anonymous_id="a",
        channel="web",
        touchpoint="checkout",
        stage="purchase",
        journey="customer",
        segment="new",
        action="purchase",
        outcome="success",
        duration_ms=1,
        nps=2,
        csat=3,
        ces=4,
        sentiment=-0.5,
        revenue_minor=-6,
        currency="EUR",
        attributes={"a": "b", "": "ü"},
        received_at=7,
        source="shop",
        sent_by="a key",
    )
    values = [encode_single_object(full), encode_confluent(full, 7), msgspec.json.encode(full)]
    frame, refused = decode_batch(values, WriterSchemas(Registry()))
    assert not refused
    for row in frame.drop("position").to_dicts():
        assert row == msgspec.structs.asdict(full)


def test_events_of_the_first_schema_are_read_in_columns_and_say_nothing_of_a_source() -> None:
    first = (Path(schemas.__file__).parent / "history" / "touchpoint-1.avsc").read_text()
    body = io.BytesIO()
    fields = msgspec.structs.asdict(event(9))
    fastavro.schemaless_writer(body, fastavro.parse_schema(without_logical_types(first), named_schemas={}), fields)
    value = SINGLE_OBJECT + fingerprint(first) + body.getvalue()
    assert WRITERS.find(value[:10]).in_columns
    frame, refused = decode_batch([value, shortened(value), overlong(value), encode_single_object(event(9))], WRITERS)
    assert [refusal.position for refusal in refused] == [1, 2]
    assert frame.drop("position").to_dicts() == 2 * [msgspec.structs.asdict(event(9))]


@pytest.mark.parametrize("damage", [shortened, not_utf8, overlong, nps_beyond_int])
def test_a_damaged_record_is_undecodable_and_costs_no_other(damage: Callable[[bytes], bytes]) -> None:
    values = [encode_single_object(event(9)) for _ in range(300)]
    positions = [0, 5, 6, 150, 299]
    for position in positions:
        values[position] = damage(values[position])
    frame, refused = decode_batch(values, WRITERS)
    assert [refusal.position for refusal in refused] == positions
    assert {refusal.reason for refusal in refused} <= {Reason.UNDECODABLE, Reason.OUT_OF_SCALE}
    assert frame["position"].to_list() == [n for n in range(300) if n not in positions]
    assert frame["nps"].unique().to_list() == [9]


@pytest.mark.parametrize("damage", [shortened, not_utf8, overlong])
def test_a_batch_of_damaged_records_is_refused_whole(damage: Callable[[bytes], bytes]) -> None:
    frame, refused = decode_batch([damage(encode_single_object(event(n))) for n in range(200)], WRITERS)
    assert (frame.height, frame.schema) == (0, COLUMNS)
    assert [refusal.position for refusal in refused] == list(range(200))
    assert {refusal.reason for refusal in refused} == {Reason.UNDECODABLE}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.UNDECODABLE),
        (b"", Reason.UNDECODABLE),
        (b"\x00", Reason.UNDECODABLE),
        (b"\xc3\x01", Reason.UNDECODABLE),
        (b"\xc3\x02" + bytes(20), Reason.UNDECODABLE),
        (b"[]", Reason.UNDECODABLE),
        (b" {}", Reason.UNDECODABLE),
        (b"hello", Reason.UNDECODABLE),
        (b"{", Reason.UNDECODABLE),
        (b"{}", Reason.MISSING_FIELD),
        (b"\xc3\x01" + bytes(20), Reason.UNKNOWN_SCHEMA),
        (b"\x00" + bytes(20), Reason.UNKNOWN_SCHEMA),
        (b"\x00\xff\xff\xff\xff" + bytes(20), Reason.UNKNOWN_SCHEMA),
        (b"{" + b" " * EVENT_BYTES_MAX, Reason.TOO_LARGE),
        (b"x" * (2 * EVENT_BYTES_MAX), Reason.TOO_LARGE),
        (encode_single_object(event(1)) + bytes(EVENT_BYTES_MAX), Reason.TOO_LARGE),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_value_that_is_no_event_is_refused_with_its_reason(value: bytes | None, reason: Reason) -> None:
    good = encode_single_object(event(1))
    frame, refused = decode_batch([good, value, good], WriterSchemas(Registry()))
    assert frame["position"].to_list() == [0, 2]
    assert [(refusal.position, refusal.reason) for refusal in refused] == [(1, reason)]
    assert refused[0].detail


def test_a_message_of_exactly_one_mebibyte_is_read() -> None:
    least = msgspec.json.encode(Touchpoint(event_id="e", occurred_at=0, channel="c", touchpoint="t"))
    frame, _ = decode_batch([least + b" " * (EVENT_BYTES_MAX - len(least))], WRITERS)
    assert frame.height == 1


def test_while_the_registry_is_away_nothing_is_refused() -> None:
    values = [encode_single_object(event(1)), encode_confluent(event(2), 7), b"{"]
    with pytest.raises(RegistryUnavailable):
        decode_batch(values, WriterSchemas(Registry(away=True)))


def test_an_empty_batch_is_an_empty_frame() -> None:
    frame, refused = decode_batch([], WRITERS)
    assert (frame.height, frame.schema, refused) == (0, COLUMNS, [])


def schema_with(*fields: dict[str, object]) -> str:
    schema = json.loads(SCHEMA_TEXT)
    return json.dumps(schema | {"fields": schema["fields"] + list(fields)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '"string"',
        "[" * 100_000,
        '{"type": "record", "name": "Touchpoint", "fields": [{"name": "event_id", "type": "int"}]}',
        SCHEMA_TEXT.replace("timestamp-millis", "timestamp-micros"),
    ],
    ids=lambda text: text[-40:],
)
def test_a_registered_schema_that_is_not_readable_is_an_unknown_schema(text: str) -> None:
    values = [encode_confluent(event(1), 8), encode_confluent(event(2), 7)]
    frame, refused = decode_batch(values, WriterSchemas(Registry(_8=text)))
    assert frame["position"].to_list() == [1]
    assert [(refusal.position, refusal.reason) for refusal in refused] == [(0, Reason.UNKNOWN_SCHEMA)]


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
NOTHING = {"type": "fixed", "name": "Nothing", "size": 0}
HIGHEST_LENGTH = b"\xfe" + b"\xff" * 8 + b"\x01"
COUNT_2_62, COUNT_100_000 = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xc0\x9a\x0c"


@pytest.mark.filterwarnings("ignore:Invalid decimal precision")
@pytest.mark.parametrize(
    ("more", "harmless", "bombs"),
    [
        ({"type": "bytes", "logicalType": "decimal"}, b"\x02\x01", [HIGHEST_LENGTH]),
        (NODE, b"\x02\x02\x00", [b"\x02" * 1_000_000 + b"\x00", b"\x02" * 200 + b"\x00"]),
        ({"type": "array", "items": "null"}, b"\x04\x00", [COUNT_2_62 + b"\x00", COUNT_100_000 * 300_000 + b"\x00"]),
        ({"type": "array", "items": NOTHING}, b"\x04\x00", [COUNT_2_62 + b"\x00"]),
    ],
    ids=["a decimal without precision, and endless", "a million levels", "an array of nulls", "an array of nothing"],
)
def test_a_small_message_of_a_large_value_ends_no_process(
    more: dict[str, object], harmless: bytes, bombs: list[bytes]
) -> None:
    writers = WriterSchemas(Registry(_8=schema_with({"name": "more", "type": more})))
    message = encode_confluent(event(1), 8)
    frame, refused = decode_batch([message + tail for tail in (harmless, *bombs)], writers)
    assert frame["event_id"].to_list() == ["1"]
    assert [refusal.reason for refusal in refused] == [Reason.UNDECODABLE] * len(bombs)


def test_a_batch_of_noise_is_refused_message_by_message() -> None:
    noise = random.Random(1)
    starts = [encode_single_object(event(1))[:10], encode_confluent(event(1), 7)[:5], b"{", b"\x00", b"\xc3\x01", b""]
    values = [noise.choice(starts) + noise.randbytes(noise.randrange(200)) for _ in range(2_000)]
    frame, refused = decode_batch(values, WriterSchemas(Registry()))
    assert frame.height + len(refused) == 2_000
    assert frame.height < 10
    assert sorted([*frame["position"], *(refusal.position for refusal in refused)]) == list(range(2_000))


def test_of_json_that_holds_a_name_twice_none_is_read_and_its_neighbours_are() -> None:
    good = json.dumps(LEAST).encode()
    bad = [(json.dumps(LEAST)[:-1] + end).encode() for end, _ in TWICE]
    values = [value for one in bad for value in (good, one)]
    frame, refused = decode_batch(values, WriterSchemas())
    assert frame["position"].to_list() == list(range(0, len(values), 2))
    assert [(one.position, one.reason) for one in refused] == [
        (at, Reason.UNDECODABLE) for at in range(1, len(values), 2)
    ]
    assert [refusal.detail.split("'")[1] for refusal in refused] == [name.strip("'") for _, name in TWICE]
