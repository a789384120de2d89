"""The rule itself and the order of a flush, point 5 (rows in flight) and point 12 (replicas)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl
import pyarrow as pa
from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.scenarios import Step
from tests.model.schedule import Worker
from tests.model.tables import MemoryTables, Row
from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.panes import LABELS_MAX, Panes
from touchstream.streams.worker import takeover

PaneRows = dict[tuple[str, tuple[Any, ...]], Row]


def the_lane_row_is_written_first(patch: MonkeyPatch) -> None:
    original = Worker.insert

    def insert(self: Worker, amount: int, mix: int) -> None:
        self.move()
        original(self, amount, mix)

    patch.setattr(Worker, "insert", insert)


def panes_from_the_tables_have_no_guard(patch: MonkeyPatch) -> None:
    patch.setattr(Panes, "_fresh", lambda _, keyed: pl.repeat(True, keyed.height, eager=True))


def a_worker_resumes_from_the_commit_to_kafka(patch: MonkeyPatch) -> None:
    take, take_over = Worker.take, takeover.take_over
    committed: dict[tuple[object, str], int] = {}

    def commit(self: Worker, amount: int, again: int = 0) -> None:
        take(self, amount, again)
        row = self.lane.row
        at = self._world.tables, row.log_id
        committed[at] = max(committed.get(at, 0), row.next_offset)

    def resume(*given: Any) -> Lane:
        loaded, tables = take_over(*given), given[3]
        offset = committed.get((tables, loaded.row.log_id), 0)
        loaded.row = replace(loaded.row, next_offset=max(loaded.row.next_offset, offset))
        return loaded

    patch.setattr(Worker, "take", commit)
    patch.setattr(takeover, "take_over", resume)


def pane_rows_are_increments(patch: MonkeyPatch) -> None:
    original = Panes.changed

    def changed(self: Panes) -> pa.Table:
        rows = original(self)
        self._sums[:] = 0
        return rows

    patch.setattr(Panes, "changed", changed)


def panes_in_flight_are_evicted(patch: MonkeyPatch) -> None:
    original = Lane.flush_rows

    def flush_rows(self: Lane) -> LaneRows:
        rows = original(self)
        self.panes.acknowledged()
        self.panes.evict(0, labels_max=0)
        return rows

    patch.setattr(Lane, "flush_rows", flush_rows)


def panes_that_leave_for_their_labels_are_taken_for_new_ones(patch: MonkeyPatch) -> None:
    evict = Panes.evict

    def evicted(self: Panes, panes_max: int, labels_max: int) -> None:
        evict(self, panes_max, LABELS_MAX)
        complete = dict(self.complete_from_ms)
        evict(self, panes_max, labels_max)
        self.complete_from_ms = complete

    patch.setattr(Panes, "evict", evicted)


def names_that_stay_change_places(patch: MonkeyPatch) -> None:
    forget = Panes._forget_names

    def forgotten(self: Panes) -> None:
        known = self.names
        forget(self)
        if self.names < known:
            self._series_names.reverse()
            self._series = {name: number for number, name in enumerate(self._series_names)}

    patch.setattr(Panes, "_forget_names", forgotten)


def names_that_are_forgotten_keep_their_numbers(patch: MonkeyPatch) -> None:
    forget = Panes._forget_names

    def forgotten(self: Panes) -> None:
        numbers = self._series
        forget(self)
        self._series = numbers

    patch.setattr(Panes, "_forget_names", forgotten)


def evicted_panes_are_taken_for_new_ones(patch: MonkeyPatch) -> None:
    patch.setattr(Panes, "missing", lambda *_: None)


def panes_are_read_from_a_replica_that_lags(patch: MonkeyPatch) -> None:
    behind = _panes_before_the_last_insert(patch)
    newest, by_key = MemoryTables.newest_panes, MemoryTables.panes_by_key

    def newest_panes(self: MemoryTables, *given: Any) -> pa.Table:
        with MonkeyPatch.context() as reading:
            reading.setattr(self, "panes", behind.get(self, self.panes))
            return newest(self, *given)

    def panes_by_key(self: MemoryTables, *given: Any) -> pa.Table:
        with MonkeyPatch.context() as reading:
            reading.setattr(self, "panes", behind.get(self, self.panes))
            return by_key(self, *given)

    patch.setattr(MemoryTables, "newest_panes", newest_panes)
    patch.setattr(MemoryTables, "panes_by_key", panes_by_key)


def an_insert_is_lost_with_the_only_replica_that_had_it(patch: MonkeyPatch) -> None:
    behind, do = _panes_before_the_last_insert(patch), Worker.do

    def lose(self: Worker, step: Step, other: Worker) -> None:
        do(self, step, other)
        tables = self._world.tables
        if step.kind == "crash":
            tables.panes = behind.get(tables, tables.panes)

    patch.setattr(Worker, "do", lose)


def _panes_before_the_last_insert(patch: MonkeyPatch) -> WeakKeyDictionary[MemoryTables, PaneRows]:
    insert, behind = MemoryTables.insert, WeakKeyDictionary[MemoryTables, PaneRows]()

    def remember(self: MemoryTables, rows: Iterable[tuple[str, Row]]) -> None:
        before = dict(self.panes)
        insert(self, rows)
        if before != self.panes:
            behind[self] = before

    patch.setattr(MemoryTables, "insert", remember)
    return behind


THE_RULE: tuple[Control, ...] = (
    the_lane_row_is_written_first,
    panes_from_the_tables_have_no_guard,
    a_worker_resumes_from_the_commit_to_kafka,
    pane_rows_are_increments,
)
IN_FLIGHT: tuple[Control, ...] = (
    panes_in_flight_are_evicted,
    evicted_panes_are_taken_for_new_ones,
    panes_that_leave_for_their_labels_are_taken_for_new_ones,
    names_that_stay_change_places,
    names_that_are_forgotten_keep_their_numbers,
)
REPLICAS: tuple[Control, ...] = (
    panes_are_read_from_a_replica_that_lags,
    an_insert_is_lost_with_the_only_replica_that_had_it,
)
