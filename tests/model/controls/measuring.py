"""Points 3 (state that the lane row holds), 7 (definitions), 9 (integers) and 10 (clocks)."""

from dataclasses import replace
from typing import Any

import polars as pl
from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.tables import MemoryTables
from touchstream.schemas import validity_of_columns
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import MICRO, TIME_MS_MIN, column_of
from touchstream.streams.measure import events, lane
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.measures import SUMS
from touchstream.streams.measure.records import Records
from touchstream.streams.worker import takeover

DAY_MS = 86_400_000


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
    fractions = pl.col(column_of("sentiment")) / MICRO
    patch.setitem(SUMS, "sentiment_sum_micro", (fractions.sum() * MICRO).cast(pl.Int64))


def definitions_are_those_of_the_worker(patch: MonkeyPatch) -> None:
    original = MemoryTables.definitions
    patch.setattr(MemoryTables, "definitions", lambda self, _: original(self, None))


def a_new_owner_starts_the_clock_anew(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(*given: Any) -> Lane:
        loaded = original(*given)
        loaded.row = replace(loaded.row, lane_clock_ms=0)
        return loaded

    patch.setattr(takeover, "take_over", take_over)


def a_new_owner_starts_the_watermark_anew(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(*given: Any) -> Lane:
        loaded = original(*given)
        loaded.row = replace(loaded.row, occurred_max_ms=TIME_MS_MIN)
        return loaded

    patch.setattr(takeover, "take_over", take_over)


def definitions_switch_once_the_batch_is_measured(patch: MonkeyPatch) -> None:
    take, obey = Lane.take, Lane._obey
    to_come: list[lane._Order] = []

    def obey_later(self: Lane, order: lane._Order) -> None:
        if order.definitions:
            to_come.append(order)
        else:
            obey(self, order)

    def take_first(self: Lane, records: Records) -> None:
        take(self, records)
        for order in to_come:
            obey(self, order)
        to_come.clear()

    patch.setattr(Lane, "_obey", obey_later)
    patch.setattr(Lane, "take", take_first)


def a_new_owner_forgets_the_sequence_number(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(*given: Any) -> Lane:
        loaded = original(*given)
        loaded.row = replace(loaded.row, control_sequence=0)
        return loaded

    patch.setattr(takeover, "take_over", take_over)


def a_new_owner_begins_with_the_first_keys(patch: MonkeyPatch) -> None:
    original = takeover.take_over

    def take_over(*given: Any) -> Lane:
        loaded = original(*given)
        loaded.row = replace(loaded.row, control_keys=given[3].control_keys())
        return loaded

    patch.setattr(takeover, "take_over", take_over)


def the_watermark_passes_the_lane_clock(patch: MonkeyPatch) -> None:
    patch.setattr(LaneRow, "watermark", lambda self, lateness_ms: self.occurred_max_ms - lateness_ms)


def events_that_are_far_ahead_are_counted(patch: MonkeyPatch) -> None:
    patch.setattr(
        events,
        "refusals",
        lambda frame, record_at, *terms: validity_of_columns.refusals(frame, record_at + DAY_MS, *terms),
    )


def heartbeats_move_no_watermark(patch: MonkeyPatch) -> None:
    original = Lane._order

    def order(self: Lane, record: Records, clocks: events.Clocks) -> lane._Order | None:
        before = self.row.occurred_max_ms
        found = original(self, record, clocks)
        self.row = replace(self.row, occurred_max_ms=before)
        return found

    patch.setattr(Lane, "_order", order)


LANE_STATE: tuple[Control, ...] = (
    late_is_judged_by_the_watermark,
    a_new_owner_starts_the_clock_anew,
    a_new_owner_starts_the_watermark_anew,
    a_new_owner_forgets_the_sequence_number,
    a_new_owner_begins_with_the_first_keys,
)
DEFINITIONS: tuple[Control, ...] = (definitions_are_those_of_the_worker, definitions_switch_once_the_batch_is_measured)
INTEGERS: tuple[Control, ...] = (sentiment_is_summed_as_floats,)
CLOCKS: tuple[Control, ...] = (
    the_watermark_passes_the_lane_clock,
    events_that_are_far_ahead_are_counted,
    heartbeats_move_no_watermark,
)
