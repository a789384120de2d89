"""Point 4: which events have been counted before."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.tables import MemoryTables
from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.measure.duplicates import NOTHING_PASSED, CountedIds, Seen
from touchstream.streams.measure.lane import Lane

HOUR_MS = 3_600_000


def ids_are_loaded_past_the_resume_offset(patch: MonkeyPatch) -> None:
    original = MemoryTables.counted_ids

    def counted_ids(
        self: MemoryTables, log_id: str, partition: int, offsets: tuple[int, int], since_ms: int
    ) -> Iterable[pa.Table]:
        return original(self, log_id, partition, (offsets[0], 2**62), since_ms)

    patch.setattr(MemoryTables, "counted_ids", counted_ids)


def ids_are_remembered_for_ever(patch: MonkeyPatch) -> None:
    original = CountedIds.count

    def count_always(self: CountedIds, event_ids: pl.Series, seen: Seen) -> Any:
        loading = (seen.clocks_from > seen.clocks).all()
        for_ever = replace(seen, clocks_from=np.zeros_like(seen.clocks))
        return original(self, event_ids, seen if loading else for_ever)

    patch.setattr(CountedIds, "count", count_always)


def ids_are_forgotten_at_a_flush(patch: MonkeyPatch) -> None:
    original = Lane.flushed

    def flushed(self: Lane, panes_max: int) -> None:
        original(self, panes_max)
        self.counted_ids.forget(self.row.lane_clock_ms + 1, self.row.ids_from)

    patch.setattr(Lane, "flushed", flushed)


def ids_expire_by_the_clock_on_the_wall(patch: MonkeyPatch) -> None:
    original, hours = CountedIds.count, count(500_000)

    def by_now(self: CountedIds, event_ids: pl.Series, seen: Seen) -> Any:
        now = np.full_like(seen.clocks, next(hours) * HOUR_MS)
        return original(self, event_ids, replace(seen, clocks=now, clocks_from=now - seen.clocks + seen.clocks_from))

    patch.setattr(CountedIds, "count", by_now)


def the_duplicate_horizon_falls_back(patch: MonkeyPatch) -> None:
    _fall_back(patch, ids_since_ms=0)


def the_bound_of_ids_falls_back(patch: MonkeyPatch) -> None:
    _fall_back(patch, ids_from=NOTHING_PASSED)


def _fall_back(patch: MonkeyPatch, **to: Any) -> None:
    """A bound of the lane row starts again from there with every batch."""
    original = LaneRow.moved_to

    def moved_to(self: LaneRow, *reached: int) -> LaneRow:
        return original(replace(self, **to), *reached)

    patch.setattr(LaneRow, "moved_to", moved_to)


def the_bound_of_ids_is_that_of_a_batch(patch: MonkeyPatch) -> None:
    original = Lane._seen

    def seen(self: Lane, frame: pl.DataFrame) -> Seen:
        found = original(self, frame)
        return replace(found, offsets_from=np.full_like(found.offsets, found.offsets_from[-1]))

    patch.setattr(Lane, "_seen", seen)


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


def kafka_keys_are_not_loaded(patch: MonkeyPatch) -> None:
    original = MemoryTables.counted_ids

    def counted_ids(
        self: MemoryTables, log_id: str, partition: int, offsets: tuple[int, int], since_ms: int
    ) -> Iterable[pa.Table]:
        for ids in original(self, log_id, partition, offsets, since_ms):
            yield ids.drop_columns("kafka_key").append_column("kafka_key", pa.nulls(len(ids), pa.binary()))

    patch.setattr(MemoryTables, "counted_ids", counted_ids)


def what_was_said_is_not_loaded(patch: MonkeyPatch) -> None:
    original = CountedIds.load

    def load(self: CountedIds, event_ids: pl.Series, clocks: Any, offsets: Any, contents: Any) -> None:
        original(self, event_ids, clocks, offsets, np.zeros_like(contents))

    patch.setattr(CountedIds, "load", load)


def a_copy_says_what_counts_from_then_on(patch: MonkeyPatch) -> None:
    original = CountedIds._counted

    def counted(self: CountedIds, high: Any, low: Any, seen: Seen) -> Any:
        found = original(self, high, low, seen)
        rows = self._index.find(high, low)
        self._contents[rows[found.duplicate]] = seen.contents[found.duplicate]
        return found

    patch.setattr(CountedIds, "_counted", counted)


def ids_begin_anew_with_other_semantics(patch: MonkeyPatch) -> None:
    original = Lane._obey

    def obey(self: Lane, order: Any) -> None:
        if self._next_ids is not None:
            self._next_ids = CountedIds()
        original(self, order)

    patch.setattr(Lane, "_obey", obey)


DUPLICATES: tuple[Control, ...] = (
    ids_are_loaded_past_the_resume_offset,
    ids_are_remembered_for_ever,
    ids_are_forgotten_at_a_flush,
    ids_expire_by_the_clock_on_the_wall,
    the_duplicate_horizon_falls_back,
    the_bound_of_ids_falls_back,
    the_bound_of_ids_is_that_of_a_batch,
    raw_events_are_keyed_by_their_id,
    kafka_keys_are_not_loaded,
    what_was_said_is_not_loaded,
    a_copy_says_what_counts_from_then_on,
    ids_begin_anew_with_other_semantics,
)
