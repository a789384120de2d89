"""What the design does not promise yet, kept out of the scenarios: each of these, when it is mended, says so here."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from schemas.codec import WriterSchemas
from tests.model.scenarios import Scenario, Step
from tests.model.schedule import Worker, end, run
from tests.model.truth import Untrue
from tests.model.world import World
from tests.oracle.events import HOUR
from tests.oracle.log import CONTROL_HEADER, DEFINITIONS, Record
from tests.oracle.strategies import DEFINITIONS_KNOWN, START_MS

LONG, SHORT, _ = DEFINITIONS_KNOWN
TAKE, FLUSH, CRASH = Step(0, "take", 2, 0), Step(0, "flush", 0, 0), Step(0, "crash", 0, 0)


def event(offset: int, event_id: str, at: int = START_MS) -> Record:
    made = {"event_id": event_id, "occurred_at": at, "customer_id": "ann", "channel": "web", "touchpoint": "ad"}
    return Record(offset, at, b"ann", json.dumps(made).encode())


@pytest.mark.xfail(
    strict=True, raises=Untrue, reason="ids past a short horizon are not loaded, and a longer one needs them"
)
def test_a_longer_duplicate_horizon_asks_for_ids_that_were_forgotten(writers: WriterSchemas) -> None:
    later = START_MS + 2 * HOUR
    switch = Record(2, later, None, json.dumps(asdict(LONG)).encode(), ((CONTROL_HEADER, DEFINITIONS),))
    log = [event(0, "e1"), event(1, "e2", later), switch, event(3, "e1", later)]
    assert run(Scenario(SHORT, (log,), ()), writers) == []
    assert run(Scenario(SHORT, (log,), (TAKE, FLUSH, CRASH)), writers) == []


def a_new_log(writers: WriterSchemas, logs: Sequence[Sequence[Record]], *, same_id: bool) -> tuple[World, Worker]:
    """Its new owner crashes before the lane row; the owner of the log before still holds an event."""
    world = World(logs, LONG, writers)
    old, new = Worker(world), Worker(world)
    for step in (TAKE, FLUSH, TAKE):
        old.do(step, new)
    world.begin_log(same_id=same_id)
    for step in (TAKE, Step(0, "insert", 8, 0), CRASH):
        new.do(step, old)
    world.limited = False
    return world, old


@pytest.mark.xfail(strict=True, raises=Untrue, reason="the lane row is written too late to say that the log is another")
def test_a_log_under_the_same_id_grows_past_the_one_before_until_its_lane_is_taken_over_again(
    writers: WriterSchemas,
) -> None:
    first, second = [event(0, "a"), event(1, "b")], [event(offset, f"c{offset}") for offset in range(4)]
    world, _ = a_new_log(writers, (first, second), same_id=True)
    assert end(world) == []


@pytest.mark.xfail(
    strict=True, raises=Untrue, reason="what the predecessor has counted is not settled until the lane row"
)
def test_the_lane_row_of_the_log_before_moves_after_a_new_log_was_taken_over(writers: WriterSchemas) -> None:
    first, second = [event(0, "a"), event(1, "b"), event(2, "c")], [event(0, "c"), event(1, "d")]
    world, old = a_new_log(writers, (first, second), same_id=False)
    old.write()
    assert end(world) == []
