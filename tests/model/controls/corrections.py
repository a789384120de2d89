"""Point 13, answers that are corrected: each event adds and takes away what lower offsets say, and no more."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.tables import MemoryTables
from touchstream.streams.measure.answers import AnswerVersions, Settled
from touchstream.streams.measure.panes import Panes


def deltas_come_from_a_current_row(patch: MonkeyPatch) -> None:
    """What an event takes the place of is what the table holds, also of events at its offset and above."""
    original = MemoryTables.versions

    def versions(
        self: MemoryTables, log_id: str, partition: int, event_ids: Any, below: int, since_ms: int
    ) -> pa.Table:
        return original(self, log_id, partition, event_ids, 2**62, since_ms)

    patch.setattr(MemoryTables, "versions", versions)


def corrections_count_as_new_answers(patch: MonkeyPatch) -> None:
    original = AnswerVersions.settle

    def settle(self: AnswerVersions, events: pl.DataFrame, reach_ms: int) -> Settled:
        return original(self, events.with_columns(amends=pl.lit("")), reach_ms)

    patch.setattr(AnswerVersions, "settle", settle)


def what_is_replaced_stays_in_its_panes(patch: MonkeyPatch) -> None:
    original = Panes.apply

    def apply(self: Panes, events: pl.DataFrame, retracted: Any = None) -> None:
        original(self, events)

    patch.setattr(Panes, "apply", apply)


def what_leaves_a_pane_has_the_offset_at_which_it_came(patch: MonkeyPatch) -> None:
    """A pane that is ahead of the lane then takes it away twice, or not at all."""
    original = AnswerVersions.settle

    def settle(self: AnswerVersions, events: pl.DataFrame, reach_ms: int) -> Settled:
        settled = original(self, events, reach_ms)
        came = settled.replaced.drop_nulls().cast(pl.Int64)
        left = settled.retracted
        return (
            settled._replace(retracted=left.with_columns(log_offset=came.head(left.height))) if len(left) else settled
        )

    patch.setattr(AnswerVersions, "settle", settle)


def amendments_are_not_taken_over(patch: MonkeyPatch) -> None:
    patch.setattr(AnswerVersions, "load", lambda *_: None)


def events_that_are_not_in_the_tables_yet_are_not_known(patch: MonkeyPatch) -> None:
    original = AnswerVersions.settle

    def settle(self: AnswerVersions, events: pl.DataFrame, reach_ms: int) -> Settled:
        self._recent = []
        return original(self, events, reach_ms)

    patch.setattr(AnswerVersions, "settle", settle)


def the_last_version_to_come_counts(patch: MonkeyPatch) -> None:
    """Whenever it was given."""
    original = AnswerVersions._settle

    def settle(
        self: AnswerVersions, events: pl.DataFrame, among: Any, reach_ms: int, replaced: np.ndarray[Any, Any]
    ) -> Any:
        later = among.events.with_columns(occurred_at=pl.lit(2**62))
        return original(self, events, replace(among, events=later), reach_ms, replaced)

    patch.setattr(AnswerVersions, "_settle", settle)


CORRECTIONS: tuple[Control, ...] = (
    deltas_come_from_a_current_row,
    corrections_count_as_new_answers,
    what_is_replaced_stays_in_its_panes,
    what_leaves_a_pane_has_the_offset_at_which_it_came,
    amendments_are_not_taken_over,
    events_that_are_not_in_the_tables_yet_are_not_known,
    the_last_version_to_come_counts,
)
