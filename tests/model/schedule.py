"""What can happen to a worker: it takes records, flushes in part or in whole, crashes, is taken for dead and goes on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from schemas.codec import WriterSchemas
from streams.flush import flush_of
from streams.measure.lane import Lane
from streams.measure.records import Records
from streams.takeover import take_over
from streams.topics import LogPosition
from tests.model.tables import MemoryTables, plain
from tests.oracle.log import Record

TABLES = ("touchpoints", "stage_panes", "dead_letters", "lanes")


@dataclass(frozen=True)
class Step:
    """One thing that one of two workers does.

    kind: take | flush | crash | evict. amount: of records taken; of rows that a crashed flush still wrote. table: where
    a crashed flush broke off.
    """

    worker: int
    kind: str
    amount: int
    table: int


steps = st.lists(
    st.builds(
        Step,
        worker=st.sampled_from([0, 0, 0, 1]),
        kind=st.sampled_from(["take", "take", "take", "flush", "flush", "crash", "takeover"]),
        amount=st.integers(0, 7),
        table=st.integers(0, len(TABLES) - 1),
    ),
    max_size=25,
)


class Worker:
    """Owns the lane, or believes so."""

    def __init__(self, log: Sequence[Record], log_id: str, tables: MemoryTables, writers: WriterSchemas) -> None:
        self._log, self._tables = log, tables
        end = log[-1].offset + 1 if log else 0
        position = LogPosition(log_id, 0, end)
        self.lane: Lane = take_over("touchpoints", 3, position, tables, writers)

    @property
    def rest(self) -> list[Record]:
        return [record for record in self._log if record.offset >= self.lane.row.next_offset]

    def take(self, amount: int) -> None:
        chosen = self.rest[:amount]
        if chosen:
            self.lane.take(records(chosen))

    def flush(self, panes_max: int = 1_000_000) -> None:
        for table, rows in self._rows():
            self._tables.insert(table, rows)
        self.lane.flushed(panes_max)

    def crash_in_flush(self, table: int, amount: int) -> None:
        """Write all tables before this one, some rows of this one, and nothing more."""
        for number, (name, rows) in enumerate(self._rows()):
            if number <= table:
                self._tables.insert(name, rows if number < table else rows[:amount])

    def _rows(self) -> list[tuple[str, list[dict[str, object]]]]:
        if not self.lane.changed:
            return []
        flush = flush_of([self.lane.flush_rows()])
        return [(name, plain(flush.tables[name])) for name in TABLES if name in flush.tables]


def records(chosen: Sequence[Record]) -> Records:
    """A run of the oracle's records as the lane takes them."""
    return Records(
        offsets=np.array([record.offset for record in chosen], np.int64),
        timestamps_ms=np.array([-1 if r.timestamp_ms is None else r.timestamp_ms for r in chosen], np.int64),
        keys=[record.key for record in chosen],
        values=[record.value for record in chosen],
        headers=[record.headers for record in chosen],
    )
