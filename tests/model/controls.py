"""What the lane must not do, done on purpose: each breaks the one rule in a way that somebody might think harmless."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pytest import MonkeyPatch

from streams import takeover
from streams.measure import events, lane
from streams.measure.duplicates import Clocks, CountedIds
from streams.measure.lane import Lane, LaneRow, LaneRows
from streams.measure.measures import SUMS
from streams.measure.panes import Panes
from streams.measure.records import Records
from streams.topics import LogPosition
from tests.model.schedule import Worker
from tests.model.tables import MemoryTables

Control = Callable[[MonkeyPatch], None]
HOUR_MS = 3_600_000


def the_lane_row_is_written_first(patch: MonkeyPatch) -> None:
    original = Worker.insert

    def insert(self: Worker, amount: int, mix: int) -> None:
        self.move()
        original(self, amount, mix)

    patch.setattr(Worker, "insert", insert)


def panes_from_the_tables_have_no_guard(patch: MonkeyPatch) -> None:
    patch.setattr(Panes, "_fresh", lambda _, keyed: pl.repeat(True, keyed.height, eager=True))


def ids_are_loaded_past_the_resume_offset(patch: MonkeyPatch) -> None:
    original = MemoryTables.counted_ids

    def counted_ids(self: MemoryTables, log_id: str, partition: int, _: int, since_ms: int) -> Iterable[pa.Table]:
        return original(self, log_id, partition, 2**62, since_ms)

    patch.setattr(MemoryTables, "counted_ids", counted_ids)


def ids_are_remembered_for_ever(patch: MonkeyPatch) -> None:
    original = CountedIds.count

    def count_always(self: CountedIds, event_ids: pl.Series, clocks: Clocks, horizons: Clocks) -> Any:
        loading = (horizons > clocks).all()
        return original(self, event_ids, clocks, horizons if loading else np.zeros_like(clocks))

    patch.setattr(CountedIds, "count", count_always)


def ids_are_forgotten_at_a_flush(patch: MonkeyPatch) -> None:
    original = Lane.flushed

    def flushed(self: Lane, panes_max: int) -> None:
        original(self, panes_max)
        self.counted_ids.forget(self.row.lane_clock + 1)

    patch.setattr(Lane, "flushed", flushed)


def ids_expire_by_the_clock_on_the_wall(patch: MonkeyPatch) -> None:
    original, hours = CountedIds.count, count(500_000)

    def by_now(self: CountedIds, event_ids: pl.Series, clocks: Clocks, horizons: Clocks) -> Any:
        now = np.full_like(clocks, next(hours) * HOUR_MS)
        return original(self, event_ids, now, now - clocks + horizons)

    patch.setattr(CountedIds, "count", by_now)


def late_is_judged_by_the_watermark(patch: MonkeyPatch) -> None:
    measure, measured = Lane._measure, events.measured
    watermark = 0

    def remember(self: Lane, run: Records, clocks: events.Clocks) -> None:
        nonlocal watermark
        watermark = self.row.watermark(self.definitions.lateness_ms)
        measure(self, run, clocks)

    def judge(frame: pl.DataFrame, lateness_ms: int) -> pl.DataFrame:
        return measured(frame, lateness_ms).with_columns(late=pl.col("occurred_at") < watermark)

    patch.setattr(Lane, "_measure", remember)
    patch.setattr(lane, "measured", judge)


def sentiment_is_summed_as_floats(patch: MonkeyPatch) -> None:
    floats = pl.when("counted").then("sentiment").sum() * 1e6
    patch.setitem(SUMS, "sentiment_sum_micro", floats.round().cast(pl.Int64))


def definitions_are_those_of_the_worker(patch: MonkeyPatch) -> None:
    original = MemoryTables.definitions
    patch.setattr(MemoryTables, "definitions", lambda self, _: original(self, None))


def raw_events_are_keyed_by_their_id(patch: MonkeyPatch) -> None:
    original = MemoryTables.insert

    def insert(self: MemoryTables, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for table, row in rows:
            if table == "touchpoints":
                same = [key for key, held in self.touchpoints.items() if held["event_id"] == row["event_id"]]
                for key in same:
                    del self.touchpoints[key]
            original(self, [(table, row)])

    patch.setattr(MemoryTables, "insert", insert)


def panes_in_flight_are_evicted(patch: MonkeyPatch) -> None:
    original = Lane.flush_rows

    def flush_rows(self: Lane) -> LaneRows:
        rows = original(self)
        self.panes.acknowledged()
        self.panes.evict(0)
        return rows

    patch.setattr(Lane, "flush_rows", flush_rows)


def evicted_panes_are_taken_for_new_ones(patch: MonkeyPatch) -> None:
    patch.setattr(Panes, "missing", lambda *_: None)


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


def a_new_log_forgets_the_ids_of_the_one_before(patch: MonkeyPatch) -> None:
    original = takeover._load_ids

    def load_ids(loaded: Lane, rows: Sequence[LaneRow], tables: MemoryTables) -> None:
        row, loaded.row = loaded.row, replace(loaded.row, predecessor_log_id="")
        original(loaded, rows, tables)
        loaded.row = row

    patch.setattr(takeover, "_load_ids", load_ids)


def a_new_log_starts_the_clock_anew(patch: MonkeyPatch) -> None:
    original = takeover._row

    def row_of(topic: str, partition: int, position: LogPosition, rows: Sequence[LaneRow]) -> LaneRow:
        row = original(topic, partition, position, rows)
        return row if row in rows else replace(row, lane_clock=0)

    patch.setattr(takeover, "_row", row_of)


def the_duplicate_horizon_falls_back(patch: MonkeyPatch) -> None:
    original = LaneRow.moved_to

    def moved_to(self: LaneRow, next_offset: int, lane_clock: int, duplicate_horizon_ms: int) -> LaneRow:
        return original(replace(self, ids_since=0), next_offset, lane_clock, duplicate_horizon_ms)

    patch.setattr(LaneRow, "moved_to", moved_to)


def a_new_log_has_no_lane_row_before_its_first_flush(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(*given: Any) -> Lane:
        tables: MemoryTables = given[3]
        held = dict(tables.lanes)
        loaded = original(*given)
        tables.lanes = held
        return loaded

    patch.setattr(takeover, "take_over", take_over)


def the_end_of_the_log_is_asked_for_before_the_lane_row_is_read(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(topic: str, partition: int, position: Callable[[], LogPosition], *given: Any) -> Lane:
        before = position()
        return original(topic, partition, lambda: before, *given)

    patch.setattr(takeover, "take_over", take_over)


CONTROLS: tuple[Control, ...] = (
    the_lane_row_is_written_first,
    panes_from_the_tables_have_no_guard,
    ids_are_loaded_past_the_resume_offset,
    ids_are_remembered_for_ever,
    ids_are_forgotten_at_a_flush,
    ids_expire_by_the_clock_on_the_wall,
    late_is_judged_by_the_watermark,
    sentiment_is_summed_as_floats,
    definitions_are_those_of_the_worker,
    raw_events_are_keyed_by_their_id,
    panes_in_flight_are_evicted,
    evicted_panes_are_taken_for_new_ones,
    a_worker_resumes_from_the_commit_to_kafka,
    pane_rows_are_increments,
    a_new_log_forgets_the_ids_of_the_one_before,
    a_new_log_starts_the_clock_anew,
    the_duplicate_horizon_falls_back,
    a_new_log_has_no_lane_row_before_its_first_flush,
    the_end_of_the_log_is_asked_for_before_the_lane_row_is_read,
)
