import numpy as np

from tests.bench.events import CUSTOMERS_MAX, PLACES, SPAN_MS, generate
from touchstream.schemas.codec import CURRENT, decode_avro, encode_single_object
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.channels.partitioner import lane_of

END_MS = 1_790_000_000_000
"""An instant in 2026."""


def test_the_same_seed_makes_the_same_events() -> None:
    first, again, other = generate(500, END_MS), generate(500, END_MS), generate(500, END_MS, seed=2)
    assert first.record_values() == again.record_values()
    assert first.record_values() != other.record_values()


def test_events_are_encoded_as_the_codec_encodes_them() -> None:
    for value in generate(2_000, END_MS).record_values():
        event = decode_avro(value[10:], CURRENT)
        assert isinstance(event, Touchpoint)
        assert value == encode_single_object(event)


def test_events_are_those_of_the_last_minute_and_each_is_a_customers_who_is_its_key() -> None:
    events = generate(2_000, END_MS)
    decoded = [decode_avro(value[10:], CURRENT) for value in events.record_values()]
    assert [event.customer_id for event in decoded if isinstance(event, Touchpoint)] == [
        key.decode() for key in events.record_keys()
    ]
    assert END_MS - SPAN_MS <= events.record_at.min() <= events.record_at.max() < END_MS
    assert (np.diff(events.record_at) >= 0).all()
    assert (events.occurred_at <= events.record_at).all()
    assert len({lane_of(key, 4) for key in events.record_keys()}) == 4


def test_there_are_7_channels_40_touchpoints_and_a_few_customers_who_come_often() -> None:
    events = generate(200_000, END_MS)
    assert len({channel for _, channel, _ in PLACES}) == 7
    assert len({touchpoint for _, _, touchpoint in PLACES}) == 40
    assert len(np.unique(events.place)) == len(PLACES)
    visits = np.sort(np.bincount(events.customer, minlength=CUSTOMERS_MAX))[::-1]
    assert visits[0] > 10 * visits[20] > 0  # Zipf: the 20th comes a twentieth as often as the first
