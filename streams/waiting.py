"""Wait until everything that was published is in the tables."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sinks.sink import LaneRow
from streams.topics import LogPosition

_LOOK_SECONDS: Final = 0.1


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


def reached(rows: Iterable[LaneRow]) -> dict[int, Reached]:
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
