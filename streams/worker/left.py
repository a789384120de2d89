"""What an owner left of its last flush, where its log is lost before it was done: made whole from raw events.

A flush writes raw events, then the panes that count them, and the lane row last. What comes without its lane row is
done again by the next owner, from the log. Where another log stands in its place that is impossible: then every raw
event that is in the tables counts, no other one does, and the panes are brought up to them. Panes that the owner before
writes later are the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import structlog

from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.measure.deltas import RESOLUTIONS_S
from touchstream.streams.measure.panes import SERIES, Panes

log = structlog.get_logger(__name__)

_INSTANTS: Final = ("lane_clock", "occurred_at")


class LeftTables(Protocol):
    """What is asked of the tables."""

    def raw_events(self, log_id: str, partition: int, from_offset: int) -> pa.Table:
        """The rows of `touchpoints` from an offset on, by offset, with what panes count of them."""

    def raw_events_at(self, log_id: str, partition: int, offsets: Sequence[int]) -> pa.Table:
        """The rows of `touchpoints` at these offsets."""

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """The rows of `stage_panes` that exist for keys."""

    def complete(self, row: LaneRow, panes: pa.Table) -> None:
        """Write panes of the lane alone; returns when they are acknowledged."""


def made_whole(row: LaneRow, tables: LeftTables) -> LaneRow:
    """The lane row as of the last raw event, which panes of every resolution count then. It is not written.

    Of the records between the raw events nothing is known but that they were no counted events: what they told the lane
    is lost with the log.
    """
    events = _events(tables.raw_events(row.log_id, row.partition, row.next_offset))
    if not events.height:
        return row
    panes = Panes()
    counting = _in_panes(events.filter(pl.col("replaced").ne_missing(pl.col("log_offset"))), panes)
    retracted = _in_panes(_retracted(row, events, tables), panes)
    panes.complete_from_ms = dict.fromkeys(RESOLUTIONS_S, np.iinfo(np.int64).max)
    missing = panes.missing(pl.concat([counting, retracted]))
    if missing is not None:
        panes.admit(tables.panes_by_key(row.log_id, row.partition, missing))
    panes.apply(counting, retracted)
    completed = panes.unwritten
    if completed:
        tables.complete(row, panes.changed())
    log.warning(
        "a log was lost before its last flush was done; what is there of it counts",
        topic=row.topic, partition=row.partition, events=events.height, panes_completed=completed,
    )  # fmt: skip
    last = events.row(-1, named=True)
    return replace(
        row,
        next_offset=last["log_offset"] + 1,
        lane_clock_ms=max(row.lane_clock_ms, last["lane_clock"]),
        occurred_max_ms=max(row.occurred_max_ms, int(events["occurred_at"].max())),  # type: ignore[arg-type]
    )


def _retracted(row: LaneRow, events: pl.DataFrame, tables: LeftTables) -> pl.DataFrame:
    """The versions of answers that these events took the place of, each at the offset of the event."""
    by = events.filter(pl.col("replaced") < pl.col("log_offset")).select("replaced", by="log_offset")
    if not by.height:
        return events.clear()
    before = _events(tables.raw_events_at(row.log_id, row.partition, by["replaced"].to_list()))
    return before.join(by, left_on="log_offset", right_on="replaced").with_columns(log_offset="by").drop("by")


def _in_panes(events: pl.DataFrame, panes: Panes) -> pl.DataFrame:
    series = pl.Series("series", panes.series(events.select(SERIES).rows()), pl.UInt32)
    return events.with_columns(series, counted=True, conflicting=False)


def _events(rows: pa.Table) -> pl.DataFrame:
    for name in _INSTANTS:
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.int64()))
    return pl.DataFrame(pl.from_arrow(rows))
