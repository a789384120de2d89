"""Arrivals of a topic: how many are given at once, and what a record without a timestamp is."""

from __future__ import annotations

import json

import numpy as np

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.times import now_ms
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.broker.log_reader import LogReader
from touchstream.streams.measure.records import Records
from touchstream.streams.process.signals import Stop
from touchstream.streams.upkeep.arrivals import AT_ONCE_MAX, Arrivals


class Polls(LogReader):
    """A reader that is polled for what it was made of."""

    def __init__(self, *polled: dict[int, Records]) -> None:
        self._polled = list(polled)

    def poll(self) -> dict[int, Records]:
        return self._polled.pop(0)


def records(first: int, count: int, timestamp_ms: int) -> Records:
    event = {"occurred_at": now_ms(), "customer_id": "c", "channel": "web", "touchpoint": "t"}
    values = [json.dumps(event | {"event_id": f"e{number}"}).encode() for number in range(first, first + count)]
    offsets = np.arange(first, first + count, dtype=np.int64)
    return Records(offsets, np.full(count, timestamp_ms), [b"c"] * count, values, [()] * count)


def test_of_a_poll_the_newest_are_given_and_the_others_counted() -> None:
    many = {0: records(0, AT_ONCE_MAX, 1_000), 1: records(500, 7, 2_000)}
    reader = Polls({}, many, {0: records(0, AT_ONCE_MAX, 1_000)})
    arriving = Arrivals(reader, WriterSchemas(), VoidIds.of(), None).following(Stop())
    found, left_out = next(arriving)
    assert (len(found), left_out) == (AT_ONCE_MAX, 7)
    assert [one.event["event_id"] for one in found[-7:]] == [f"e{number}" for number in range(500, 507)]
    assert found[0].event["event_id"] == "e7"
    found, left_out = next(arriving)
    assert (len(found), left_out) == (AT_ONCE_MAX, 0)


def test_a_record_without_a_timestamp_is_judged_by_the_clock() -> None:
    arriving = Arrivals(Polls({0: records(0, 1, -1)}), WriterSchemas(), VoidIds.of(), None).following(Stop())
    ((one,), _) = next(arriving)
    assert (one.refusal, one.at_ms > 0) == (None, True)
