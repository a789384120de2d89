"""A log is lost while a flush of it is on its way: an event that comes again in the next one counts once."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.model.schedule import records
from tests.oracle.log import Record
from tests.support.clickhouse_front import Answer, Front, front_of
from tests.support.clickhouse_rows import NOON_MS
from tests.support.measuring import OLD, Stand, standing
from touchstream.schemas.codec import WriterSchemas
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.deltas import RESOLUTIONS_S
from touchstream.streams.measure.lane import Lane
from touchstream.streams.worker.lanes import Stopped
from touchstream.streams.worker.store import WorkerTables
from touchstream.streams.worker.takeover import take_over

pytestmark = pytest.mark.stack

MEASURED, ON_ITS_WAY = range(6), range(6, 20)


@dataclass
class World:
    """Tables, and two workers: one whose inserts go past a front, and one whose don't."""

    stand: Stand
    front: Front
    thread: ThreadPoolExecutor

    def __post_init__(self) -> None:
        settings = self.stand.init(OLD)
        self.client: Client = self.stand.in_force
        self.new = WorkerTables(settings)
        url = database_url(self.front.url, str(self.client.database))
        self.old = WorkerTables(settings.model_copy(update={"clickhouse_url": url}))

    def lane(self, tables: WorkerTables, log_id: str) -> Lane:
        """The lane of the topic's partition, whose log is this one now."""
        return take_over(self.stand.settings.topic, 0, lambda: LogPosition(log_id, 0, 99), tables, WriterSchemas())

    def lose_a_log(self, inserts: int) -> "Future[None]":
        """Its last flush, which is on its way: so many of its inserts are taken, and the rest is not for now."""
        lane = self.lane(self.old, "first")
        flush(self.old, lane, MEASURED)
        lane.take(records(log_of(ON_ITS_WAY, len(MEASURED))))
        self.front.answers.extend([None] * inserts)
        self.front.always = Answer(503)
        written = self.thread.submit(self.old.write, [lane.flush_rows()])
        assert self.front.answered.wait(30)
        return written

    def publish_all_again(self) -> Lane:
        """In the next log, the latest first."""
        lane = self.lane(self.new, "second")
        flush(self.new, lane, [*ON_ITS_WAY[::-1], *MEASURED])
        return lane

    @property
    def counted(self) -> list[int]:
        """By panes of each resolution, and by raw events."""
        panes = "SELECT sum(touches) FROM stage_panes FINAL GROUP BY resolution_s ORDER BY resolution_s"
        raw = int(str(self.client.command("SELECT count() FROM touchpoints FINAL")))
        return [*(touches for (touches,) in self.client.query(panes).result_rows), raw]


ONCE_EACH = [len(MEASURED) + len(ON_ITS_WAY)] * (len(RESOLUTIONS_S) + 1)


def log_of(events: "range | list[int]", first: int = 0) -> list[Record]:
    """Events of these numbers, three of each ten seconds, some of another channel than the others."""
    found = []
    for offset, number in enumerate(events, first):
        event = {"event_id": f"e{number}", "occurred_at": NOON_MS + number * 3_000, "customer_id": "ann"}
        event |= {"channel": "web" if number % 3 else "app", "touchpoint": "product", "duration_ms": number}
        found.append(Record(offset, NOON_MS + 60_000, b"ann", json.dumps(event).encode()))
    return found


def flush(tables: WorkerTables, lane: Lane, events: "range | list[int]") -> None:
    lane.take(records(log_of(events)))
    tables.write([lane.flush_rows()])
    lane.flushed(1_000)


@pytest.fixture
def world(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[World]:
    with (
        standing(clickhouse_url, kafka_url, tmp_path) as stand,
        front_of(clickhouse_url) as front,
        ThreadPoolExecutor(1) as thread,
    ):
        world = World(stand, front, thread)
        try:
            yield world
        finally:
            world.old.stop()


def gives_up(world: World, written: "Future[None]") -> None:
    """The owner of the log that is lost ends."""
    world.old.stop()
    with pytest.raises(Stopped):
        written.result(30)


@pytest.mark.parametrize("inserts", [1, 2], ids=["raw events alone", "raw events and panes"])
def test_rows_that_a_lost_flush_has_written_count_once(world: World, inserts: int) -> None:
    gives_up(world, world.lose_a_log(inserts))
    world.publish_all_again()
    assert world.counted == ONCE_EACH
    found = reconcile(world.client, topic=world.stand.settings.topic)
    assert (found.differing, found.moving, found.left_out) == (0, 0, ())


def test_panes_of_some_resolutions_alone_are_made_whole(world: World) -> None:
    gives_up(world, world.lose_a_log(2))
    world.client.command("DELETE FROM stage_panes WHERE resolution_s != 300 AND log_offset >= 6")
    world.publish_all_again()
    assert world.counted == ONCE_EACH


@pytest.mark.parametrize("inserts", [1, 2], ids=["raw events alone", "raw events and panes"])
def test_the_rest_of_a_flush_may_come_once_the_next_log_was_begun(world: World, inserts: int) -> None:
    written = world.lose_a_log(inserts)
    world.publish_all_again()
    world.front.always = None
    written.result(30)
    assert world.counted == ONCE_EACH


def test_reconcile_tells_of_raw_events_that_came_too_late_all_the_same(world: World) -> None:
    world.lose_a_log(0)
    world.publish_all_again()
    world.client.command(
        "INSERT INTO touchpoints SELECT * REPLACE ('first' AS log_id) FROM touchpoints"
        " WHERE touchpoints.log_id = 'second' AND log_offset IN (7, 8)"
    )
    assert "2 events of a lost log" in reconcile(world.client, topic=world.stand.settings.topic).left_out[0]


def test_a_flush_of_a_lost_log_is_not_begun_once_the_next_log_was(world: World) -> None:
    written = world.lose_a_log(0)
    world.publish_all_again()
    world.front.always = None
    with suppress(Stopped):
        written.result(30)
    assert world.counted == ONCE_EACH
