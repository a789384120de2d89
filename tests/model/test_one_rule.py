"""Whatever happens to the workers, the tables end up as a plain recomputation from the log."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import WriterSchemas
from tests.model.schedule import Step, Worker, steps
from tests.model.tables import MemoryTables
from tests.oracle.compare import difference
from tests.oracle.log import Record
from tests.oracle.recompute import recompute
from tests.oracle.strategies import DEFINITIONS_KNOWN, LANE, WRITER_SCHEMAS, definitions, logs


class Registry:
    """Schemas by number, as the oracle knows them."""

    def schema(self, number: int) -> str | None:
        return WRITER_SCHEMAS.by_id.get(number)


@pytest.fixture(scope="session")
def writers(tmp_path_factory: pytest.TempPathFactory) -> WriterSchemas:
    directory: Path = tmp_path_factory.mktemp("schemas")
    for number, text in enumerate(WRITER_SCHEMAS.known):
        (directory / f"{number}.avsc").write_text(text)
    return WriterSchemas(Registry(), directory)


def run(log: Sequence[Record], schedule: Sequence[Step], tables: MemoryTables, writers: WriterSchemas) -> None:
    """Two workers that both believe that they own the lane, then one that finishes."""
    workers = [Worker(log, LANE.log_id, tables, writers) for _ in range(2)]
    for step in schedule:
        worker = workers[step.worker]
        if step.kind == "take":
            worker.take(step.amount)
        elif step.kind == "flush":
            worker.flush(panes_max=step.amount)
        else:
            if step.kind == "crash":
                worker.crash_in_flush(step.table, step.amount)
            workers[step.worker] = Worker(log, LANE.log_id, tables, writers)
    last = Worker(log, LANE.log_id, tables, writers)
    last.take(len(log))
    last.flush()


@settings(max_examples=400, deadline=None)
@given(logs(), steps, definitions())
def test_the_tables_equal_a_recomputation_from_the_log(
    writers: WriterSchemas, log: list[Record], schedule: list[Step], first: object
) -> None:
    known = [first, *(one for one in DEFINITIONS_KNOWN if one != first)]
    tables = MemoryTables(known)
    run(log, schedule, tables, writers)
    expected = recompute(log, LANE, first, WRITER_SCHEMAS)
    if not log:
        expected.lane = {}
    assert difference(expected, tables.of_lane(LANE)) == []
