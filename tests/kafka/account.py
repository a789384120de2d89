"""The account of a failure run: what stands in the tables beside what stands in the log, offset by offset."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Place = tuple[int, int]
"""Partition and offset of an event in the log."""


@dataclass(frozen=True)
class Logged:
    """An event as it stands in the log."""

    partition: int
    offset: int
    event_id: str


@dataclass(frozen=True)
class Account:
    """Events that count, those of them that the tables miss, and what the tables hold too much."""

    events: int
    lost: int
    doubled: int


def first_places(log: Iterable[Logged]) -> frozenset[Place]:
    """Where the events that count stand: an event_id counts once in a partition, at its lowest offset."""
    places: dict[tuple[int, str], int] = {}
    for event in log:
        key = (event.partition, event.event_id)
        places[key] = min(event.offset, places.get(key, event.offset))
    return frozenset((partition, offset) for (partition, _), offset in places.items())


def account(expected: Collection[Place], raw: Iterable[Place], touches: Mapping[int, Mapping[int, int]]) -> Account:
    """Lost and doubled events.

    raw: the places of the rows in `touchpoints`, one for each row. touches: by resolution of the panes and partition,
    the sum of touches. The worse of raw rows and each resolution of panes counts: a run is good if all are right.
    """
    places, rows = frozenset(expected), Counter(raw)
    lost = [len(places - rows.keys())]
    doubled = [rows.total() - len(places & rows.keys())]
    by_partition = Counter(partition for partition, _ in places)
    for found in touches.values():
        off = {partition: found.get(partition, 0) - by_partition[partition] for partition in {*found, *by_partition}}
        lost.append(-sum(difference for difference in off.values() if difference < 0))
        doubled.append(sum(difference for difference in off.values() if difference > 0))
    return Account(len(places), max(lost), max(doubled))
