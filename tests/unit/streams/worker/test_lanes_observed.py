"""What lanes tell of themselves: where they are, what waits, and the time in which too much did."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from prometheus_client import REGISTRY

from tests.model.schedule import records
from tests.model.test_new_logs import event
from tests.model.truth import PARTITION, TOPIC
from tests.model.world import World
from tests.oracle.strategies import DEFINITIONS_KNOWN
from touchstream.schemas.codec import WriterSchemas
from touchstream.streams.measure.lane import PENDING_ROW_BYTES, Lane, LaneRows
from touchstream.streams.measure.records import Records
from touchstream.streams.worker.buffer import Buffer
from touchstream.streams.worker.dead_letters import DeadLetterTopic
from touchstream.streams.worker.lanes import Lanes, Limits
from touchstream.streams.worker.takeover import take_over


class TakingStore:
    """A `streams.worker.lanes.LaneStore` that takes all rows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.written: list[Sequence[LaneRows]] = []

    def load(self, partition: int) -> Lane:
        return take_over(TOPIC, partition, self._world.position, self._world.tables, self._world.writers)

    def take(self, lane: Lane, records: Records) -> None:
        lane.take(records)

    def write(self, lanes: Sequence[LaneRows]) -> None:
        self.written.append(lanes)

    def stop(self) -> None:
        """Nothing is retried."""


class Begun:
    """A `streams.worker.lanes.Source` that says when a lane is read."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def start_reading(self, positions: Mapping[int, int]) -> None:
        assert positions == {PARTITION: 0}
        self.begun.set()

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """For lag tools."""


async def no_topic(*_: object) -> None:
    raise AssertionError("there are no dead letters")


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def test_lanes_tell_where_they_are_and_how_long_they_waited_for_room() -> None:
    log = [event(offset, f"e{offset}") for offset in range(4)]
    names = ("take_overs_total", "batch_records_count", "flush_rows_count", "blocked_seconds_total")
    before = {name: counted(f"touchstream_{name}") for name in names}

    failures: list[Exception] = []

    async def read_all() -> None:
        store, source = TakingStore(World((log,), DEFINITIONS_KNOWN[0], WriterSchemas())), Begun()
        lanes = Lanes(
            store, DeadLetterTopic("letters", no_topic), source, Limits(1.0, 1, gathered_max=1), failures.append
        )
        lanes.assigned(frozenset([PARTITION]))
        assert lanes.expected == frozenset([PARTITION])
        assert not lanes.next_offsets
        await source.begun.wait()
        assert dict(lanes.next_offsets) == {PARTITION: 0}
        idle_since, flushed_at = lanes.measured_at, lanes.flushed_at
        await lanes.take(PARTITION, 0, records(log[:2]))
        assert lanes.unflushed
        assert lanes.measured_at > idle_since
        await lanes.take(PARTITION, 2, records(log[2:]))
        assert len(store.written) == 1
        assert dict(lanes.next_offsets) == {PARTITION: 4}
        assert lanes.flushed_at > flushed_at
        assert lanes.watermarks_ms.keys() == {PARTITION}
        await lanes.flush()
        assert not lanes.unflushed

    asyncio.run(read_all())
    assert failures == []
    more = {name: counted(f"touchstream_{name}") - before[name] for name in names}
    assert (more["take_overs_total"], more["batch_records_count"], more["flush_rows_count"]) == (1, 2, 2)
    assert more["blocked_seconds_total"] > 0


def test_records_that_are_few_wait_for_the_flush_and_are_then_measured_in_one_batch() -> None:
    log = [event(offset, f"e{offset}") for offset in range(5)]
    failures: list[Exception] = []

    async def read_all() -> None:
        store, source = TakingStore(World((log,), DEFINITIONS_KNOWN[0], WriterSchemas())), Begun()
        limits = Limits(1.0, gathered_max=3)
        lanes = Lanes(store, DeadLetterTopic("letters", no_topic), source, limits, failures.append)
        lanes.assigned(frozenset([PARTITION]))
        await source.begun.wait()
        await lanes.take(PARTITION, 0, records(log[:1]))
        await lanes.take(PARTITION, 1, records(log[1:2]))
        assert (lanes.pending_rows, lanes.unflushed, dict(lanes.next_offsets)) == (2, True, {PARTITION: 0})
        await lanes.take(PARTITION, 2, records(log[1:3]))  # with one that is known, as after a seek
        assert dict(lanes.next_offsets) == {PARTITION: 3}
        await lanes.take(PARTITION, 3, records(log[3:4]))
        before = counted("touchstream_batch_records_count")
        await lanes.flush()
        assert counted("touchstream_batch_records_count") == before + 1
        assert dict(lanes.next_offsets) == {PARTITION: 4}
        (rows,) = store.written[-1]
        assert rows.touchpoints is not None
        assert rows.touchpoints["log_offset"].to_list() == [0, 1, 2, 3]
        assert sum(rows.panes["duplicates"].to_pylist()) == 0
        assert not lanes.unflushed

    asyncio.run(read_all())
    assert failures == []


def test_large_records_that_wait_count_as_several() -> None:
    gathering = Buffer()
    gathering.add(records([replace(event(0, "small"), value=b"x"), replace(event(1, "large"), value=b"x" * 50_000)]))
    assert gathering.rows == 50_001 // PENDING_ROW_BYTES
    gathering.take()
    assert gathering.rows == 0
