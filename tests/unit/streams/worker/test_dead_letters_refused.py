"""A lane whose dead letters are refused waits alone: nothing of it is lost, doubled or hoarded."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from tests.unit.streams.measure.test_bounds import DEFINITIONS, NOW_MS, records
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.records import Headers, Records
from touchstream.streams.worker import dead_letters
from touchstream.streams.worker.dead_letters import DeadLetterTopic
from touchstream.streams.worker.lanes import Lanes, Limits

POISONED, OTHER = 0, 1
BAD = b"what is no event"


def events(first: int, size: int, *more: bytes) -> Records:
    event = b'{"event_id":"e%d","occurred_at":%d,"customer_id":"c","channel":"web","touchpoint":"t"}'
    return records([*(event % (n, NOW_MS) for n in range(first, first + size)), *more], first)


class Store:
    """A `streams.worker.lanes.LaneStore` of lanes that begin at offset 0."""

    def __init__(self) -> None:
        self.written: dict[int, list[LaneRows]] = {POISONED: [], OTHER: []}

    def load(self, partition: int) -> Lane:
        row = LaneRow("touchpoints", partition, "log", 1, 0, 0, 0, "v")
        return Lane(row, DEFINITIONS, WriterSchemas(), lambda keys: keys.slice(0, 0))

    def take(self, lane: Lane, records: Records) -> None:
        lane.take(records)

    def write(self, lanes: Sequence[LaneRows]) -> None:
        for rows in lanes:
            self.written[rows.row.partition].append(rows)

    def stop(self) -> None:
        """Nothing is retried."""

    def offsets(self, partition: int) -> list[int]:
        """Of the events that were written."""
        frames = [rows.touchpoints for rows in self.written[partition] if rows.touchpoints is not None]
        return [offset for frame in frames for offset in frame["log_offset"].to_list()]


class Reading:
    """A `streams.worker.lanes.Source`: from where each lane is read, and up to where it is committed."""

    def __init__(self) -> None:
        self.begun: list[dict[int, int]] = []
        self.committed: dict[int, int] = {}
        self.both = asyncio.Event()

    async def start_reading(self, positions: Mapping[int, int]) -> None:
        self.begun.append(dict(positions))
        if len(self.begun) == 2:
            self.both.set()

    async def commit(self, offsets: Mapping[int, int]) -> None:
        self.committed |= offsets


class Stand:
    """Two lanes, and a topic of dead letters that refuses until it is mended."""

    def __init__(self, **limits: Any) -> None:
        self.store, self.source, self.failures = Store(), Reading(), list[Exception]()
        self.mended, self.letters = False, list[bytes | None]()
        limits = {"flush_seconds": 1.0, "letters_seconds": 0.01} | limits
        topic = DeadLetterTopic("letters", self.send)
        self.lanes = Lanes(self.store, topic, self.source, Limits(**limits), self.failures.append)

    async def send(self, _: str, __: bytes | None, value: bytes | None, ___: Headers) -> None:
        if not self.mended:
            raise KafkaError
        self.letters.append(value)

    async def flush_until(self, partition: int, offset: int) -> None:
        async with asyncio.timeout(30):
            while self.source.committed.get(partition) != offset:
                await self.lanes.flush()
                await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_RETRY_SECONDS", 0.001)


@asynccontextmanager
async def refusing(**limits: Any) -> AsyncIterator[Stand]:
    """Both lanes have measured two events each, the poisoned one a bad one as well, and were flushed."""
    stand = Stand(**limits)
    stand.lanes.assigned(frozenset([POISONED, OTHER]))
    await asyncio.wait_for(stand.source.both.wait(), 30)
    await stand.lanes.take(OTHER, 0, events(0, 2))
    await stand.lanes.take(POISONED, 0, events(0, 2, BAD))
    await stand.lanes.flush()
    yield stand
    await stand.lanes.stop(0.1)
    assert stand.failures == []


def test_the_other_lane_goes_on_and_the_lane_waits() -> None:
    async def go_on() -> None:
        async with refusing() as stand:
            assert (stand.store.offsets(OTHER), stand.store.written[POISONED]) == ([0, 1], [])
            await stand.lanes.take(OTHER, 2, events(2, 3))
            await stand.lanes.flush()
            assert stand.store.offsets(OTHER) == [0, 1, 2, 3, 4]
            assert (stand.store.written[POISONED], stand.source.committed) == ([], {OTHER: 5})
            assert (stand.lanes.unflushed, stand.lanes.pending_rows) == (True, 3)
            assert REGISTRY.get_sample_value("touchstream_lanes_held") == 1
            assert REGISTRY.get_sample_value("touchstream_labels", {"partition": str(OTHER)}) == 0

    asyncio.run(go_on())


def test_events_that_a_waiting_lane_reads_are_not_kept_but_read_again_once_its_letters_are_taken() -> None:
    async def mend() -> None:
        async with refusing() as stand:
            await stand.lanes.take(POISONED, 3, events(3, 5))
            await stand.lanes.flush()
            assert (stand.lanes.pending_rows, stand.lanes.next_offsets[POISONED]) == (3, 3)
            begun = len(stand.source.begun)
            stand.mended = True
            await stand.flush_until(POISONED, 3)
            assert (stand.letters, stand.store.offsets(POISONED)) == ([BAD], [0, 1])
            assert [one.row.next_offset for one in stand.store.written[POISONED]] == [3]
            assert stand.source.begun[begun:] == [{POISONED: 3}]
            await stand.lanes.take(POISONED, 3, events(3, 5))
            await stand.lanes.flush()
            assert stand.store.offsets(POISONED) == [0, 1, *range(3, 8)]
            assert (stand.lanes.unflushed, stand.lanes.pending_rows) == (False, 0)

    asyncio.run(mend())


def test_waiting_rows_count_as_pending_and_too_many_of_them_hold_up_the_reading() -> None:
    async def fill() -> None:
        async with refusing(pending_rows_max=2) as stand:
            reading = asyncio.create_task(stand.lanes.take(OTHER, 2, events(2, 3)))
            for _ in range(3):
                await stand.lanes.flush()
            assert not reading.done()
            stand.mended = True
            async with asyncio.timeout(30):
                await reading
            await stand.lanes.flush()
            assert stand.store.offsets(OTHER) == [0, 1, 2, 3, 4]

    asyncio.run(fill())


def test_a_lane_that_moves_leaves_its_letters_to_the_next_owner() -> None:
    async def move() -> None:
        async with refusing() as stand:
            await stand.lanes.revoked(1.0)
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            _, still_sending = await asyncio.wait(tasks, timeout=10)
            assert not still_sending
            assert (stand.letters, stand.store.written[POISONED], stand.lanes.unflushed) == ([], [], False)

    asyncio.run(move())
