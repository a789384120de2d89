"""What schedules drawn at random seldom meet: definitions that remember for longer, and logs that are hardly begun."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from tests.model.controls.control import Control
from tests.model.controls.logs import (
    a_new_log_goes_on_from_the_lane_row_of_a_flush_that_was_not_done as goes_on_from_the_lane_row,
)
from tests.model.controls.logs import (
    what_a_lost_flush_left_is_known_and_not_counted as known_and_not_counted,
)
from tests.model.scenarios import Scenario, Step
from tests.model.schedule import Worker, end, run
from tests.model.test_controls import goes_wrong
from tests.model.world import World
from tests.oracle.control import control
from tests.oracle.events import HOUR
from tests.oracle.log import DEFINITIONS, Record, Signing
from tests.oracle.strategies import DEFINITIONS_KNOWN, START_MS
from touchstream.schemas.codec import WriterSchemas

LONG, SHORT, *_ = DEFINITIONS_KNOWN
TAKE, FLUSH, CRASH = Step(0, "take", 2, 0), Step(0, "flush", 0, 0), Step(0, "crash", 0, 0)


def event(offset: int, event_id: str, at: int = START_MS) -> Record:
    made = {"event_id": event_id, "occurred_at": at, "customer_id": "ann", "channel": "web", "touchpoint": "ad"}
    return Record(offset, at, b"ann", json.dumps(made).encode())


def test_a_longer_duplicate_horizon_does_not_bring_back_what_was_forgotten(writers: WriterSchemas) -> None:
    later = START_MS + 2 * HOUR
    switch = control(2, later, DEFINITIONS, json.dumps(asdict(LONG)).encode(), Signing(1))
    log = [event(0, "e1"), event(1, "e2", later), switch, event(3, "e1", later)]
    assert run(Scenario(SHORT, (log,), ()), writers) == []
    assert run(Scenario(SHORT, (log,), (TAKE, FLUSH, CRASH)), writers) == []


def a_new_log(writers: WriterSchemas, logs: Sequence[Sequence[Record]], *, same_id: bool) -> tuple[World, Worker]:
    """Its new owner crashes before it has flushed; the owner of the log before still holds an event."""
    world = World(logs, LONG, writers)
    old, new = Worker(world), Worker(world)
    for step in (TAKE, FLUSH, TAKE):
        old.do(step, new)
    world.begin_log(same_id=same_id)
    for step in (TAKE, Step(0, "insert", 8, 0), CRASH):
        new.do(step, old)
    return world, old


def test_a_log_under_the_same_id_may_grow_past_the_one_before_once_its_lane_was_taken_over(
    writers: WriterSchemas,
) -> None:
    first, second = [event(0, "a"), event(1, "b")], [event(offset, f"c{offset}") for offset in range(4)]
    world, _ = a_new_log(writers, (first, second), same_id=True)
    world.published(world.log, 4)
    assert end(world) == []


def test_the_lane_row_of_the_log_before_may_move_once_a_new_log_was_taken_over(writers: WriterSchemas) -> None:
    first, second = [event(0, "a"), event(1, "b"), event(2, "c")], [event(0, "c"), event(1, "d")]
    world, old = a_new_log(writers, (first, second), same_id=False)
    old.write()
    assert end(world) == []


def test_ids_of_logs_before_are_as_far_away_as_where_those_were_left(writers: WriterSchemas) -> None:
    assert SHORT.duplicate_ids_max == 6
    first = [event(0, "far"), event(1, "b"), event(2, "c"), event(3, "near"), event(4, "e"), event(5, "f")]
    logs = (first, [event(0, "g")], [event(0, "h"), event(1, "b"), event(2, "near"), event(3, "far")])
    measured = (Step(0, "take", 8, 0), FLUSH, CRASH)
    steps = (*measured, Step(0, "new log", 0, 0), *measured, Step(0, "new log", 0, 0), TAKE, FLUSH, CRASH)
    assert run(Scenario(SHORT, logs, steps), writers) == []


@pytest.mark.parametrize("broken", [None, goes_on_from_the_lane_row, known_and_not_counted])
@pytest.mark.parametrize("inserted", [Step(0, "insert", 1, 3), Step(0, "insert", 0, 0), Step(0, "insert", 2, 0)])
def test_events_that_a_flush_left_of_a_lost_log_count_and_are_known_to_the_next(
    writers: WriterSchemas, monkeypatch: pytest.MonkeyPatch, inserted: Step, broken: Control | None
) -> None:
    logs = [event(at, one) for at, one in enumerate("abcd")], [event(at, one) for at, one in enumerate("dbca")]
    steps = (TAKE, FLUSH, TAKE, inserted, CRASH, Step(0, "new log", 0, 0), TAKE, FLUSH, CRASH)
    if broken is None:
        assert run(Scenario(LONG, logs, steps), writers) == []
        return
    broken(monkeypatch)
    assert goes_wrong(Scenario(LONG, logs, steps), writers)
