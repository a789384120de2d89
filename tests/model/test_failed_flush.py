"""A lane whose rows were taken for a flush that failed is not gone on with: its next lane row would leave them out."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tests.model.schedule import records
from tests.model.test_new_logs import event
from tests.model.truth import PARTITION, TOPIC
from tests.model.world import World
from tests.oracle.strategies import DEFINITIONS_KNOWN
from touchstream.schemas.codec import WriterSchemas
from touchstream.sinks.sink import SinkRefused
from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.records import Records
from touchstream.streams.worker.dead_letters import DeadLetterTopic
from touchstream.streams.worker.lanes import Lanes, Limits
from touchstream.streams.worker.takeover import take_over


class RefusingStore:
    """A `streams.worker.lanes.LaneStore` that takes no rows."""

    def __init__(self, world: World) -> None:
        self._world = world

    def load(self, partition: int) -> Lane:
        world = self._world
        return take_over(TOPIC, partition, world.position, world.tables, world.writers)

    def take(self, lane: Lane, records: Records) -> None:
        lane.take(records)

    def write(self, lanes: Sequence[LaneRows]) -> None:
        raise SinkRefused(f"no table for the rows of {len(lanes)} lane")

    def stop(self) -> None:
        """Nothing is retried."""


class Offsets:
    """A `streams.worker.lanes.Source` that says when a lane is read."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def start_reading(self, positions: Mapping[int, int]) -> None:
        assert positions == {PARTITION: 0}
        self.begun.set()

    async def commit(self, offsets: Mapping[int, int]) -> None:
        raise AssertionError(f"committed {offsets}")


async def no_topic(*_: object) -> None:
    raise AssertionError("there are no dead letters")


@pytest.mark.parametrize("occasion", ["too much is pending", "the lane moves"])
def test_a_lane_is_let_go_when_its_rows_can_not_be_written_because(occasion: str, writers: WriterSchemas) -> None:
    log = [event(offset, f"e{offset}") for offset in range(4)]

    async def fail_to_flush() -> None:
        failures: list[Exception] = []
        store = RefusingStore(World((log,), DEFINITIONS_KNOWN[0], writers))
        source = Offsets()
        lanes = Lanes(store, DeadLetterTopic("letters", no_topic), source, Limits(1.0, 1), failures.append)
        lanes.assigned(frozenset([PARTITION]))
        await source.begun.wait()
        await lanes.take(PARTITION, 0, records(log[:2]))
        if occasion == "too much is pending":
            await lanes.take(PARTITION, 2, records(log[2:]))
            assert [str(failure) for failure in failures] == ["no table for the rows of 1 lane"]
        else:
            with pytest.raises(SinkRefused):
                await lanes.revoked(patience_seconds=3.0)
        assert not lanes.last_read

    asyncio.run(fail_to_flush())
