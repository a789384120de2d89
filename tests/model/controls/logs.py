"""Point 6: which log it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.tables import MemoryTables
from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.lane import Lane
from touchstream.streams.worker import takeover


def a_new_log_forgets_the_ids_of_the_one_before(patch: MonkeyPatch) -> None:
    original = takeover._load_ids

    def load_ids(loaded: Lane, rows: Sequence[LaneRow], tables: MemoryTables) -> None:
        row, loaded.row = loaded.row, replace(loaded.row, predecessor_log_id="")
        original(loaded, rows, tables)
        loaded.row = row

    patch.setattr(takeover, "_load_ids", load_ids)


def a_new_log_goes_on_from_the_lane_row_of_a_flush_that_was_not_done(patch: MonkeyPatch) -> None:
    patch.setattr(takeover, "made_whole", lambda row, _: row)


def what_a_lost_flush_left_is_known_and_not_counted(patch: MonkeyPatch) -> None:
    patch.setattr(MemoryTables, "complete", lambda *_: None)


def a_new_log_starts_the_clock_anew(patch: MonkeyPatch) -> None:
    original = takeover._row

    def row_of(
        topic: str, partition: int, position: LogPosition, rows: Sequence[LaneRow], tables: MemoryTables
    ) -> LaneRow:
        row = original(topic, partition, position, rows, tables)
        return row if row in rows else replace(row, lane_clock_ms=0)

    patch.setattr(takeover, "_row", row_of)


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


LOGS: tuple[Control, ...] = (
    a_new_log_forgets_the_ids_of_the_one_before,
    a_new_log_goes_on_from_the_lane_row_of_a_flush_that_was_not_done,
    what_a_lost_flush_left_is_known_and_not_counted,
    a_new_log_starts_the_clock_anew,
    a_new_log_has_no_lane_row_before_its_first_flush,
    the_end_of_the_log_is_asked_for_before_the_lane_row_is_read,
)
