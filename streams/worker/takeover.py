"""Loading a lane from the tables: its row, its newest panes and the event ids that still count as seen.

A lane is (log id, partition). The log id is Kafka's topic id; when a log ends below the offset that the lane row has
reached, it is another log under the same id, and the lane gets a new generation. A new log begins with new rows, but
goes on with its predecessor's clock, definitions and remembered ids, so that the same event published to both counts
once: what its predecessor had counted is what its raw events in the tables say (`left`). Its first row is written
before anything is measured: whatever the broker or an owner of the log before does from then on, every owner of the new
log goes on from the same.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import structlog

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import TIME_MS_MIN
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.answers import REMEMBERED_MS
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.deltas import RESOLUTIONS_S
from touchstream.streams.measure.lane import Lane
from touchstream.streams.process import metrics
from touchstream.streams.worker.left import LeftTables, made_whole

log = structlog.get_logger(__name__)

HOT_PANES_MAX: Final = 50_000
"""Panes of each resolution that a lane loads when it is taken over, newest first; older ones are loaded on demand."""


class LaneTables(LeftTables, Protocol):
    """What a lane reads from the tables when it is taken over, and while an event needs an older pane."""

    def lane_rows(self, topic: str, partition: int) -> Sequence[LaneRow]:
        """The lane rows of every log that the partition has had, by generation."""

    def begin(self, row: LaneRow, lateness_ms: int) -> None:
        """Write the first row of a log; returns when it is acknowledged."""

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        """The newest rows of `stage_panes` by pane_start, at most `limit`."""

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """The rows of `stage_panes` that exist for keys (resolution_s, pane_start, journey … segment)."""

    def counted_ids(self, log_id: str, partition: int, offsets: tuple[int, int], since_ms: int) -> Iterable[pa.Table]:
        """log_offset, lane_clock (ms), and columns of `identity.identities` and `content.contents`, in offset order.

        offsets: from the first, below the second; since_ms: not those that were counted at an earlier lane clock.
        """

    def versions(
        self, log_id: str, partition: int, event_ids: Sequence[str], below_offset: int, since_ms: int
    ) -> pa.Table:
        """The counted events that have one of the ids as event_id or amend it (`answers.VersionLoader`)."""

    def amendments(self, log_id: str, partition: int, below_offset: int, since_ms: int) -> pa.Table:
        """log_offset, lane_clock, and columns of identities and amends of counted events that amend one, by offset."""

    def definitions(self, version: str | None) -> str:
        """The content of a version; None: of the first that was in force."""

    def control_keys(self) -> str:
        """The keys that may sign control records, for a lane without any (`streams.measure.controls.keys_text`)."""


def take_over(
    topic: str, partition: int, position: Callable[[], LogPosition], tables: LaneTables, writers: WriterSchemas
) -> Lane:
    """The lane as the tables have it, ready to go on at `lane.row.next_offset`.

    position: asked for once the lane rows are read. An owner that does not know yet that it lost the lane may move the
    row at any time; a log whose end was seen before that would seem to end below it, and to be another.
    """
    rows = tables.lane_rows(topic, partition)
    row = _row(topic, partition, position(), rows, tables)
    definitions = Definitions.parse(tables.definitions(row.definitions or None))
    if not row.control_keys:
        # A new log, or one that was begun before there were keys. Its first keys come from the tables, to
        # which producers of the topic can't write.
        first = replace(row, definitions=definitions.version, control_keys=tables.control_keys())
        tables.begin(first, definitions.lateness_ms)
        rows = tables.lane_rows(topic, partition)  # another worker may have begun it, and be further on
        row = next(known for known in rows if known.log_id == row.log_id)
    lane = Lane(
        row,
        definitions,
        writers,
        lambda keys: tables.panes_by_key(row.log_id, partition, keys),
        partial(tables.versions, row.log_id, partition),
    )
    for resolution_s in RESOLUTIONS_S:
        panes = tables.newest_panes(row.log_id, partition, resolution_s, HOT_PANES_MAX)
        lane.panes.admit(panes)
        if panes.num_rows == HOT_PANES_MAX:
            oldest = panes["pane_start"].cast(pa.int64()).to_numpy().min()
            lane.panes.complete_from_ms[resolution_s] = int(oldest) + resolution_s * 1000
    _load_ids(lane, rows, tables)
    since_ms = row.lane_clock_ms - REMEMBERED_MS
    amendments = tables.amendments(row.log_id, partition, row.next_offset, since_ms)
    lane.answers.load(pl.DataFrame(pl.from_arrow(amendments)), amendments["lane_clock"].cast(pa.int64()).to_numpy())
    return lane


def _row(topic: str, partition: int, position: LogPosition, rows: Sequence[LaneRow], tables: LaneTables) -> LaneRow:
    """The row to go on from: the newest one of this log, or the first of a new log."""
    if not rows:
        return LaneRow(topic, partition, position.log_id, 1, position.begin_offset, 0, TIME_MS_MIN, "")
    newest = rows[-1]
    same_log = newest.log_id.split("#")[0] == position.log_id
    if same_log and position.end_offset >= newest.next_offset:
        if position.begin_offset > newest.next_offset:
            lost = position.begin_offset - newest.next_offset
            metrics.LOST_RECORDS.inc(lost)
            log.error(
                "events lost: Kafka deleted them before they were measured; raise the topic's retention",
                topic=topic, partition=partition, lost=lost, from_offset=newest.next_offset,
            )  # fmt: skip
            # Another key may have been among it.
            return replace(newest, next_offset=position.begin_offset, control_keys="")
        return newest
    newest = made_whole(newest, tables)
    generation = newest.generation + 1
    return LaneRow(
        topic=topic,
        partition=partition,
        # The broker lost its log and kept its id: the generation tells the two apart.
        log_id=f"{position.log_id}#{generation}" if same_log else position.log_id,
        generation=generation,
        next_offset=position.begin_offset,
        lane_clock_ms=newest.lane_clock_ms,
        occurred_max_ms=newest.occurred_max_ms,
        definitions=newest.definitions,
        predecessor_log_id=newest.log_id,
        predecessor_next_offset=newest.next_offset,
        ids_since_ms=newest.ids_since_ms,
        ids_from=newest.ids_from - newest.next_offset,
        control_sequence=newest.control_sequence,
    )


def _load_ids(lane: Lane, rows: Sequence[LaneRow], tables: LaneTables) -> None:
    """Remember what this log and the logs before it counted within the bounds, each below where its lane ended."""
    logs, beginning = [(lane.row.log_id, lane.row.next_offset, 0)], 0
    by_log = {row.log_id: row for row in rows} | {lane.row.log_id: lane.row}
    while (before := by_log.get(logs[-1][0])) and before.predecessor_log_id:
        beginning -= before.predecessor_next_offset
        logs.append((before.predecessor_log_id, before.predecessor_next_offset, beginning))
    for log_id, below, begins_at in reversed(logs):
        offsets = max(0, lane.row.ids_from - begins_at), below
        for ids in tables.counted_ids(log_id, lane.row.partition, offsets, lane.row.ids_since_ms):
            clocks = ids["lane_clock"].cast(pa.int64()).to_numpy()
            counted_at = ids["log_offset"].to_numpy().astype(np.int64) + begins_at
            lane.load_ids(pl.DataFrame(pl.from_arrow(ids)), clocks, counted_at)
