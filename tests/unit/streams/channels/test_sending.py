"""What the producers share: lanes, the bound of what is in flight, the bytes of an event."""

from __future__ import annotations

import threading

import polars as pl
import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.codec import encode_confluent, encode_single_object
from touchstream.schemas.columns import COLUMNS, frame_of
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.channels.bulk_encoding import encode_frame
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.in_flight import BufferFull, DeliveryFailed, InFlight
from touchstream.streams.channels.partitioner import lane_of

# From org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 3.9.0; the second part has bytes of 0x80 and above.
JAVA_MURMUR2 = {
    "": 275646681,
    "a": -1563381124,
    "42": 417700972,
    "21": -973932308,
    "foobar": -790332482,
    "é": 186971271,
    "éé": 210090411,
    "müller": -1933979253,
    "Ωmega-客户": 1228464232,
    "客户编号": 1210427893,
    "😀": 131881617,
    "customer-😀-1": -1098754267,
    "ÿÿÿÿ": 370107280,
    "İstanbul": 1764130002,
    "aéb": 2104330038,
    "abé": -17388004,
    "é12345": -1063734196,
}
JAVA_MURMUR2_BYTES = {b"\x80": 857690492, b"\xff\xfe\x80": -160726397, b"\xff\xff\xff\xff\x80": -1702406959}


@pytest.mark.parametrize("partitions", [1, 4, 7, 10_000])
def test_a_customer_goes_to_the_lane_that_java_would_choose(partitions: int) -> None:
    vectors = {key.encode(): number for key, number in JAVA_MURMUR2.items()} | JAVA_MURMUR2_BYTES
    for key, number in vectors.items():
        assert lane_of(key, partitions) == (number & 0x7FFFFFFF) % partitions


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(1, 64))
def test_a_customer_goes_to_the_lane_that_aiokafka_would_choose(key: bytes, partitions: int) -> None:
    assert lane_of(key, partitions) == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions


def test_the_bytes_in_flight_are_bounded() -> None:
    in_flight = InFlight(bytes_max=100, max_block_seconds=0)
    in_flight.add(60)
    in_flight.add(40)
    with pytest.raises(BufferFull, match=r"2 events \(100 bytes\)"):
        in_flight.add(1)
    in_flight.remove(40)
    in_flight.add(1)


def test_an_event_larger_than_the_bound_goes_alone() -> None:
    in_flight = InFlight(bytes_max=10, max_block_seconds=0)
    in_flight.add(100)
    with pytest.raises(BufferFull):
        in_flight.add(1)


def test_room_that_is_made_wakes_the_one_who_waits() -> None:
    in_flight = InFlight(bytes_max=10, max_block_seconds=60)
    in_flight.add(10)
    waiting = threading.Thread(target=in_flight.add, args=(10,))
    waiting.start()
    in_flight.remove(10)
    waiting.join(60)
    assert not waiting.is_alive()


def test_failures_are_counted_and_told_once() -> None:
    in_flight = InFlight(bytes_max=100, max_block_seconds=0)
    for _ in range(3):
        in_flight.add(1)
    in_flight.fail(1, ValueError("first"))
    in_flight.fail(1, ValueError("second"))
    in_flight.remove(1)
    with pytest.raises(DeliveryFailed, match="2 events were not delivered: first") as caught:
        in_flight.drain(0)
    assert caught.value.failed == 2
    in_flight.drain(0)


def test_events_without_an_answer_are_not_delivered() -> None:
    in_flight = InFlight(bytes_max=100, max_block_seconds=0)
    in_flight.add(1)
    with pytest.raises(DeliveryFailed, match="1 event was not delivered"):
        in_flight.drain(0.01)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
events = st.builds(
    Touchpoint,
    event_id=texts,
    occurred_at=st.integers(-(2**63), 2**63 - 1),
    customer_id=st.none() | texts,
    anonymous_id=st.none() | texts,
    channel=texts,
    touchpoint=texts,
    stage=st.none() | texts,
    outcome=st.none() | texts,
    duration_ms=st.none() | st.integers(-(2**63), 2**63 - 1),
    nps=st.none() | st.integers(-(2**31), 2**31 - 1),
    sentiment=st.none() | st.floats(allow_nan=False),
    revenue_minor=st.none() | st.integers(-(2**63), 2**63 - 1),
    attributes=st.dictionaries(texts, texts, max_size=3),
    received_at=st.none() | st.integers(-(2**63), 2**63 - 1),
)


@settings(deadline=None)
@given(st.lists(events, max_size=5))
def test_a_batch_has_the_bytes_of_its_events_one_by_one(batch: list[Touchpoint]) -> None:
    frame = frame_of(list(enumerate(batch)))
    assert encode_frame(Encoder(), frame) == [encode_single_object(event) for event in batch]
    assert encode_frame(Encoder(7), frame) == [encode_confluent(event, 7) for event in batch]
    assert [Encoder(7).event(event) for event in batch] == encode_frame(Encoder(7), frame)


def test_a_frame_in_pieces_is_encoded_whole() -> None:
    event = Touchpoint(event_id="1", occurred_at=1, customer_id="c", channel="a", touchpoint="b")
    pieces = pl.concat([frame_of([(0, event)]), frame_of([(1, event)])], rechunk=False)
    assert encode_frame(Encoder(), pieces) == [encode_single_object(event)] * 2
    assert encode_frame(Encoder(), pl.DataFrame(schema=COLUMNS)) == []
