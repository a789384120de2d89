"""Point 4: which events have been counted before."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pytest import MonkeyPatch

from streams.measure.duplicates import Clocks, CountedIds
from streams.measure.lane import Lane, LaneRow
from tests.model.controls.control import Control
from tests.model.tables import MemoryTables

HOUR_MS = 3_600_000


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


def the_duplicate_horizon_falls_back(patch: MonkeyPatch) -> None:
    original = LaneRow.moved_to

    def moved_to(self: LaneRow, next_offset: int, lane_clock: int, duplicate_horizon_ms: int) -> LaneRow:
        return original(replace(self, ids_since=0), next_offset, lane_clock, duplicate_horizon_ms)

    patch.setattr(LaneRow, "moved_to", moved_to)


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


DUPLICATES: tuple[Control, ...] = (
    ids_are_loaded_past_the_resume_offset,
    ids_are_remembered_for_ever,
    ids_are_forgotten_at_a_flush,
    ids_expire_by_the_clock_on_the_wall,
    the_duplicate_horizon_falls_back,
    raw_events_are_keyed_by_their_id,
)
