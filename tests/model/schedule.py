"""What can happen to workers: they take records, flush in part or in whole, crash, are taken for dead and go on."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from tests.model.scenarios import Scenario, Step
from tests.model.tables import Row, rows_of
from tests.model.truth import PARTITION, TOPIC
from tests.model.world import Log, World
from tests.oracle.log import Record
from touchstream.schemas.codec import WriterSchemas
from touchstream.streams.measure import lane, panes
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.records import Records
from touchstream.streams.worker import takeover

PANES_MAX = (1_000_000, 0, 1, 3, 6, 12)
READS = (0, 0, 0, 1, 2, 3, 5, 9)  # of a take-over before the other worker goes on; it has about six


class Worker:
    """Owns the lane, or believes so."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lane: Lane | None = None
        self._log: Log
        self._in_flight: list[tuple[str, Row]] | None = None

    def do(self, step: Step, other: "Worker") -> None:
        """One step."""
        if step.kind == "crash":
            self._lane = self._in_flight = None
            return
        if self._lane is None:
            self.take_over(other, step.mix)
        if step.kind == "take":
            self.take(step.amount, again=step.mix % 3)
            return
        self.begin()
        if step.kind == "insert":
            self.insert(step.amount, step.mix)
        elif step.kind == "write":
            self.write()
        elif step.kind in ("flush", "finish"):
            self.take(step.mix % 4 if step.kind == "flush" else 0)
            self.finish(PANES_MAX[step.amount % len(PANES_MAX)])

    def take_over(self, other: "Worker", reads: int) -> None:
        """Load the lane; between two reads, or not at all, the other one goes on."""
        world = self._world
        world.tables.after_reads(READS[reads % len(READS)], other.go_on)
        self._log = world.log
        self._lane = takeover.take_over(TOPIC, PARTITION, world.position, world.tables, world.writers)
        world.tables.after_reads(0, lambda: None)

    @property
    def lane(self) -> Lane:
        assert self._lane is not None
        return self._lane

    def take(self, amount: int, again: int = 0) -> None:
        """Take records from the next offset on, or from a few before it: the lane knows those."""
        next_offset = self.lane.row.next_offset
        known = [record for record in self._log.records if record.offset < next_offset]
        chosen = [*known[len(known) - again :], *self._log.records[len(known) : len(known) + amount]]
        if chosen:
            self._world.published(self._log, chosen[-1].offset + 1)
            self.lane.take(records(chosen))

    def go_on(self) -> None:
        """Take what has been published meanwhile, and write."""
        if self._lane is not None:
            self.take(2)
            self.write()

    def begin(self) -> None:
        if self._in_flight is None and self.lane.changed:
            self._in_flight = rows_of([self.lane.flush_rows()])

    def insert(self, amount: int, mix: int) -> None:
        """Raw events by offset, and other rows only once they are all there."""
        rows = [row for row in self._in_flight or () if row[0] != "lanes"]
        raw = [row for row in rows if row[0] == "touchpoints"]
        others = rows[len(raw) :]
        if mix % 4 == 3:
            self._world.tables.insert(raw[:amount])
        else:
            self._world.tables.insert([*raw, *Random(mix).sample(others, min(amount, len(others)))])

    def write(self) -> None:
        """Insert everything that is in flight, the lane row last."""
        self.begin()
        self._world.tables.insert(row for row in self._in_flight or () if row[0] != "lanes")
        self.move()

    def move(self) -> None:
        """Insert the lane row."""
        self._world.tables.insert(row for row in self._in_flight or () if row[0] == "lanes")

    def finish(self, panes_max: int = 1_000_000) -> None:
        self.write()
        if self._in_flight is not None:
            self._in_flight = None
            self.lane.flushed(panes_max)


def run(scenario: Scenario, writers: WriterSchemas) -> list[str]:
    """Two workers that may both believe that they own the lane, then one that finishes; what is wrong in the end.

    Raises Untrue where a row is wrong on the way.
    """
    world = World(scenario.logs, scenario.first, writers)
    workers = [Worker(world), Worker(world)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(takeover, "HOT_PANES_MAX", scenario.limits.hot_panes)
        patch.setattr(panes, "_NAMES_UNUSED_MAX", scenario.limits.names_unused)
        patch.setattr(lane, "LABELS_MAX", scenario.limits.labels)
        for step in scenario.steps:
            if step.kind == "new log":
                world.begin_log(same_id=step.amount % 2 == 1)
            else:
                workers[step.worker].do(step, workers[1 - step.worker])
        return end(world)


def end(world: World) -> list[str]:
    """Let one more worker measure what is left of the last log, and hold the tables against the oracle."""
    last = Worker(world)
    last.take_over(last, 0)
    last.take(len(world.log.records))
    last.begin()
    last.finish()
    return world.differences()


def records(chosen: Sequence[Record]) -> Records:
    """A run of the oracle's records as the lane takes them."""
    return Records(
        offsets=np.array([record.offset for record in chosen], np.int64),
        timestamps_ms=np.array([-1 if r.timestamp_ms is None else r.timestamp_ms for r in chosen], np.int64),
        keys=[record.key for record in chosen],
        values=[record.value for record in chosen],
        headers=[record.headers for record in chosen],
    )
