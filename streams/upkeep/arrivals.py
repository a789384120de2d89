"""What arrives in the topic of events, and what becomes of it: for `touchstream tail`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.scales import Scales
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import Refusal
from touchstream.schemas.validity_of_columns import refusals
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.broker.log_reader import LogReader
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.records import CONTROL_HEADER, Records
from touchstream.streams.measure.refused import SENT_BY, refused_before, values
from touchstream.streams.process.signals import Stop

LOOK_BACK_RECORDS: Final = 10_000
"""Records of each partition among which the newest of one channel are looked for."""
AT_ONCE_MAX: Final = 100
"""Arrivals of one poll that are given: a person reads no more, and a poll may bring 20,000."""
VALUE_CHARS_MAX: Final = 200
"""Longest excerpt of what can't be read, in characters."""


@dataclass(frozen=True)
class Arrival:
    """A record of the topic. at_ms: its timestamp. event: its fields without those that it doesn't have.

    refusal: why it is no event, or none that can be used. value: the beginning of what could not be read. sent_by: the
    name of the key, of what a gateway refused.
    """

    partition: int
    offset: int
    at_ms: int
    event: Mapping[str, Any]
    refusal: Refusal | None = None
    value: str = ""
    sent_by: str | None = None


class Arrivals:
    """Reads what arrives. channel: only what names it; what can't be read names none."""

    def __init__(
        self,
        reader: LogReader,
        writers: WriterSchemas,
        void_ids: VoidIds,
        channel: str | None,
        scales: Scales | None = None,
    ) -> None:
        self._reader, self._writers, self._void_ids, self._channel = reader, writers, void_ids, channel
        self._scales = scales

    def newest(self, positions: Mapping[int, LogPosition], count: int) -> list[Arrival]:
        """The newest arrivals of a log, at most `count`, the oldest first; then `following` goes on from there.

        Of a channel: those among the newest LOOK_BACK_RECORDS records of each partition. Raises TopicError.
        """
        back = max(count, LOOK_BACK_RECORDS) if self._channel is not None else count
        self._reader.seek({lane: max(at.begin_offset, at.end_offset - back) for lane, at in positions.items()})
        found: list[Arrival] = []
        for polled, _ in self._reader.until({lane: at.end_offset for lane, at in positions.items()}):
            found = sorted([*found, *self._of(polled)], key=_in_time)[-count:] if count else []
        return found

    def following(self, stop: Stop, seconds: float | None = None) -> Iterator[tuple[list[Arrival], int]]:
        """What arrives from now on, a poll at a time, until `stop`, for so many seconds or without end.

        The oldest first, and how many older ones of the poll were left out: at most AT_ONCE_MAX are given.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while not stop.is_set() and (until is None or time.monotonic() < until):
            found = sorted(self._of(self._reader.poll()), key=_in_time)
            if found:
                yield found[-AT_ONCE_MAX:], max(0, len(found) - AT_ONCE_MAX)

    def _of(self, polled: Mapping[int, Records]) -> Iterator[Arrival]:
        for partition, records in polled.items():
            for arrival in self._judged(partition, records):
                if self._channel is None or arrival.event.get("channel") == self._channel:
                    yield arrival

    def _judged(self, partition: int, records: Records) -> Iterator[Arrival]:
        """Each record but those that steer lanes."""
        refused = {one.position: one for one in refused_before(records.headers)}
        controls = {
            at for at, of_one in enumerate(records.headers) if any(name == CONTROL_HEADER for name, _ in of_one)
        }
        readable, undecodable = decode_batch(records.values, self._writers)
        timestamps = np.where(records.timestamps_ms < 0, now_ms(), records.timestamps_ms)
        _, invalid = refusals(readable, timestamps, self._void_ids, self._scales)
        refused = {one.position: one for one in (*undecodable, *invalid)} | refused
        events = {row.pop("position"): row for row in readable.to_dicts()}
        for at, value in enumerate(records.values):
            if at in controls:
                continue
            event = {name: one for name, one in events.get(at, {}).items() if one not in (None, [], {})}
            if "attributes" in event:
                event["attributes"] = dict(event["attributes"])
            said = values(records.headers[at], SENT_BY)
            yield Arrival(
                partition,
                int(records.offsets[at]),
                int(timestamps[at]),
                event,
                refused.get(at),
                "" if event or value is None else value[:VALUE_CHARS_MAX].decode("utf-8", "backslashreplace"),
                said[0].decode("utf-8", "replace") if said and at in refused else event.get("sent_by"),
            )


def _in_time(arrival: Arrival) -> tuple[int, int, int]:
    return arrival.at_ms, arrival.partition, arrival.offset
