"""Wait until everything that was published is in the tables, and the tables say so."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from kafka import KafkaProducer

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.records import CONTROL_HEADER
from touchstream.streams.process.connection import KafkaConnection

_LOOK_SECONDS: Final = 0.1
SEND_SECONDS: Final = 10.0
"""Timeout of all heartbeats together, in seconds; a broker that accepts events acknowledges them in milliseconds."""


@dataclass(frozen=True)
class Behind:
    """A partition whose lane is not yet where its log ended when the wait began."""

    partition: int
    next_offset: int
    end_offset: int


@dataclass(frozen=True)
class Reached:
    """How far a lane is: its log, and the offset behind the last event in the tables."""

    log_id: str
    next_offset: int


def reached(rows: Iterable[WrittenLaneRow]) -> dict[int, Reached]:
    """How far the lanes of these rows are, by partition."""
    return {row.partition: Reached(row.log_id, row.next_offset) for row in rows}


def behind(ends: Mapping[int, LogPosition], lanes: Mapping[int, Reached]) -> list[Behind]:
    """The partitions whose tables do not hold everything up to these ends; an empty partition needs no lane."""
    waiting = []
    for partition, position in ends.items():
        lane = lanes.get(partition)
        reached = lane.next_offset if lane and lane.log_id.startswith(position.log_id) else position.begin_offset
        if reached < position.end_offset:
            waiting.append(Behind(partition, reached, position.end_offset))
    return waiting


def wait_until_measured(
    ends: Mapping[int, LogPosition],
    lanes: Callable[[], Mapping[int, Reached]],
    timeout_seconds: float,
    progress: Callable[[int], None],
) -> list[Behind]:
    """Look until no partition is behind, or the time is over; what is behind then. progress: events still to come."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        waiting = behind(ends, lanes())
        progress(sum(one.end_offset - one.next_offset for one in waiting))
        if not waiting or time.monotonic() > deadline:
            return waiting
        time.sleep(_LOOK_SECONDS)


def beat(connection: KafkaConnection, topic: str, partitions: Iterable[int]) -> None:
    """Send a heartbeat to each partition: a lane that has applied it knows that nothing older is to come.

    Without it a lane that has read its last event would learn so seconds later, from its worker's heartbeat, and the
    completeness of what `wait` has waited for would lag. Raises KafkaError.
    """
    with closing(
        KafkaProducer(**connection.client_options(), acks="all", max_block_ms=SEND_SECONDS * 1000)
    ) as producer:
        sent = [
            producer.send(topic, b"", partition=one, headers=[(CONTROL_HEADER, b"heartbeat")]) for one in partitions
        ]
        for one in sent:
            one.get(SEND_SECONDS)
