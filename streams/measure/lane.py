"""One lane: a partition of the log and all state derived from it.

The one rule: a row depends only on its own key's events and on its lane's row, as of its log offset, and on nothing
else. Nothing here reads a clock, a table or a setting: the caller hands in records and, on demand, rows of older panes,
and takes away the rows that are to be written.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import Reason, Refusal
from touchstream.streams.measure import controls
from touchstream.streams.measure.answers import AnswerVersions, VersionLoader, no_versions
from touchstream.streams.measure.content import contents
from touchstream.streams.measure.controls import (
    HEARTBEAT,
    ControlKey,
    ControlRecord,
    Position,
    claim_of,
    keys_in,
    keys_of,
    keys_text,
    verify,
)
from touchstream.streams.measure.definitions import SEMANTICS, Definitions
from touchstream.streams.measure.deltas import RESOLUTIONS_S
from touchstream.streams.measure.duplicates import CountedIds, Seen, Verdicts
from touchstream.streams.measure.erasures import Erasure, erasures
from touchstream.streams.measure.events import Clocks, DeadLetter, dead_letters, decode, measured, resolve
from touchstream.streams.measure.identity import identities
from touchstream.streams.measure.panes import LABELS_MAX, SERIES, Panes
from touchstream.streams.measure.records import Records

PENDING_ROW_BYTES: Final = 1_000
"""An event that takes more memory than this while it waits for a flush counts as several rows."""

PaneLoader = Callable[[pa.Table], pa.Table]
"""Keys of panes (resolution_s, pane_start, journey … segment) to the rows of `stage_panes` that exist for them."""


@dataclass(frozen=True)
class History:
    """Events that were measured before, under other definitions: what occurred before a time (ms), below an offset."""

    before_ms: int
    below_offset: int


@dataclass(frozen=True)
class LaneRows:
    """The rows that a lane has to write: everything else first, the lane row last."""

    touchpoints: pl.DataFrame | None
    panes: pa.Table
    letters: Sequence[DeadLetter]
    row: LaneRow
    watermark: int
    erasures: Sequence[Erasure] = ()
    controls: Sequence[ControlRecord] = ()
    definitions: Sequence[Definitions] = ()
    """Those that the lane has switched to: known to the tables before its row names them."""


class Lane:
    """Measures one partition of one log.

    A lane whose `take` raised has to be thrown away and loaded anew from the tables.
    """

    def __init__(
        self,
        row: LaneRow,
        definitions: Definitions,
        writers: WriterSchemas,
        load_panes: PaneLoader,
        load_versions: VersionLoader = no_versions,
    ) -> None:
        self.row = row
        self.definitions = definitions
        self.panes = Panes()
        self.counted_ids = CountedIds()
        self._next_ids = CountedIds() if definitions.semantics < SEMANTICS else None
        """The same events by the rule of SEMANTICS, so that the lane can go over to it at any offset."""
        self.answers = AnswerVersions(row.next_offset, load_versions)
        self.history: History | None = None
        """What the tables hold already: such events count as seen, and are not measured again."""
        self.outcomes: Counter[str] = Counter()
        """What became of the events: counted, duplicate, or the reason of a refusal; late (also counted), and
        conflicting (also a duplicate)."""
        self._writers = writers
        self._load_panes = load_panes
        self._touchpoints: list[pl.DataFrame] = []
        self._letters: list[DeadLetter] = []
        self._erasures: list[Erasure] = []
        self._controls: list[ControlRecord] = []
        self._switched: list[Definitions] = []
        self._pending = 0
        self._changed = False
        self._flushed_below = row.next_offset

    @property
    def pending_rows(self) -> int:
        """Events and dead letters that wait for a flush; large ones, and panes of duplicates alone, count for more."""
        return max(self._pending, self.panes.unwritten // len(RESOLUTIONS_S))

    @property
    def changed(self) -> bool:
        """Whether there is anything to flush."""
        return self._changed

    def take(self, records: Records) -> None:
        """Apply records in offset order; those below the lane's next offset have been applied before.

        Events are measured in runs that end at a control record with an effect. Those without one cut no run, else
        whoever may write to the topic could make every event a run of its own.
        """
        records = records.since(self.row.next_offset)
        clocks, steering = Clocks.of(records, self.row.lane_clock_ms), records.controls()
        events = np.ones(len(records), np.bool_)
        events[steering] = False
        start = 0
        for at in steering:
            order = self._order(records[at : at + 1], clocks[at : at + 1])
            if order is not None:
                self._apply(records[start:at], clocks[start:at], events[start:at])
                self._obey(order)
                self._move(records[at : at + 1], clocks[at : at + 1])
                start = at + 1
        self._apply(records[start:], clocks[start:], events[start:])

    def flush_rows(self) -> LaneRows:
        """The rows to write as of now. Panes stay pinned in memory until `flushed`."""
        touchpoints = pl.concat(self._touchpoints) if self._touchpoints else None
        letters, self._touchpoints, self._letters, self._changed = self._letters, [], [], False
        self._pending, self._flushed_below = 0, self.row.next_offset
        erasures, self._erasures = self._erasures, []
        noted, self._controls = self._controls, []
        switched, self._switched = self._switched, []
        watermark = self.row.watermark(self.definitions.lateness_ms)
        return LaneRows(touchpoints, self.panes.changed(), letters, self.row, watermark, erasures, noted, switched)

    def flushed(self, panes_max: int) -> None:
        """The rows of the last flush are in the tables: keep at most `panes_max` panes, forget ids past the horizon."""
        self.panes.acknowledged()
        self.panes.evict(panes_max, LABELS_MAX)
        self.answers.acknowledged(self._flushed_below, self.row.lane_clock_ms)
        passed = self.row.ids_since_ms, self.row.ids_from
        for ids in (self.counted_ids, self._next_ids):
            if ids is not None and ids.expired(*passed) * 2 > len(ids):
                ids.forget(*passed)

    def load_ids(self, events: pl.DataFrame, clocks: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> None:
        """Take over counted events (columns of `identity.identities`, `content.contents`), as `CountedIds.load`."""
        said = contents(events)
        if self._next_ids is None:
            self.counted_ids.load(identities(events), clocks, offsets, said)
        else:
            self.counted_ids.load(events["event_id"], clocks, offsets, said)
            self._next_ids.load(identities(events), clocks, offsets, said)

    def _measure(self, run: Records, clocks: Clocks) -> None:
        definitions = self.definitions
        frame, refused = decode(run, clocks, self._writers, definitions)
        self._refuse(refused)
        if not frame.height:
            return
        events = measured(frame, definitions.lateness_ms)
        verdicts = self._judge(events)
        events = events.with_columns(
            counted=pl.Series(~verdicts.duplicate), conflicting=pl.Series(verdicts.conflicting)
        )
        events = resolve(events, definitions.journeys, self.panes.series)
        events, retracted = self._settled(events)
        if self.history:
            measured_before = pl.col("log_offset") < self.history.below_offset
            occurred_before = pl.col("occurred_at") < self.history.before_ms
            events, retracted = (one.filter(~(measured_before & occurred_before)) for one in (events, retracted))
        if not events.height and not retracted.height:
            return
        self._count(events.filter("applies"), retracted)
        counted = events.filter("counted").with_columns(definitions=pl.lit(definitions.version))
        if counted.height:
            self._touchpoints.append(counted)
            self._pending += max(counted.height, int(counted.estimated_size()) // PENDING_ROW_BYTES)
            self._occurred(int(counted["occurred_at"].max()))  # type: ignore[arg-type]
        also = {"late": int(counted["late"].sum()), "conflicting": int(events["conflicting"].sum())}
        self.outcomes.update(counted=counted.height, duplicate=events.height - counted.height, **also)

    def _settled(self, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Events with what each replaced, and whether panes count it; and what leaves panes because of them."""
        counted = events.filter("counted")
        settled = self.answers.settle(counted, self.definitions.correction_ms)
        series = self.panes.series(settled.retracted.select(SERIES).rows())
        retracted = settled.retracted.with_columns(
            pl.Series("series", series, pl.UInt32), counted=pl.lit(value=True), conflicting=pl.lit(value=False)
        )
        if settled.replaced.null_count() == len(settled.replaced):
            return events.with_columns(replaced=pl.lit(None, pl.UInt64), applies=pl.lit(value=True)), retracted
        said = counted.select("log_offset").with_columns(settled.replaced)
        events = events.join(said, on="log_offset", how="left", maintain_order="left")
        return events.with_columns(
            applies=pl.col("replaced").cast(pl.Int64).ne_missing(pl.col("log_offset"))
        ), retracted

    def _count(self, events: pl.DataFrame, retracted: pl.DataFrame) -> None:
        touched = pl.concat([one.select("series", "occurred_at") for one in (events, retracted)])
        missing = self.panes.missing(touched)
        if missing is not None:
            self.panes.admit(self._load_panes(missing))
        self.panes.apply(events, retracted)

    def _judge(self, events: pl.DataFrame) -> Verdicts:
        seen = self._seen(events)
        if self._next_ids is None:
            return self.counted_ids.count(identities(events), seen)
        verdicts = self.counted_ids.count(events["event_id"], seen)
        counted = np.flatnonzero(~verdicts.duplicate)
        self._next_ids.count(identities(events[counted]), seen[counted])
        return verdicts

    def _seen(self, frame: pl.DataFrame) -> Seen:
        clocks, offsets = frame["lane_clock"].to_numpy(), frame["log_offset"].to_numpy()
        clocks_from = np.maximum(clocks - self.definitions.duplicate_horizon_ms, self.row.ids_since_ms)
        offsets_from = np.maximum(offsets - self.definitions.duplicate_ids_max, self.row.ids_from)
        return Seen(clocks, offsets, clocks_from, offsets_from, contents(frame))

    def _apply(self, run: Records, clocks: Clocks, events: npt.NDArray[np.bool_]) -> None:
        """Measure those of a run that are events; the clock has seen the others as well."""
        if not len(run):
            return
        if events.all():
            self._measure(run, clocks)
        elif events.any():
            self._measure(run.chosen(events), clocks[events])
        self._move(run, clocks)

    def _move(self, run: Records, clocks: Clocks) -> None:
        horizon_ms, ids_max = self.definitions.duplicate_horizon_ms, self.definitions.duplicate_ids_max
        self.row = self.row.moved_to(int(run.offsets[-1]) + 1, int(clocks.lane_clock[-1]), horizon_ms, ids_max)
        self._changed = True

    def _order(self, record: Records, clocks: Clocks) -> "_Order | None":
        """The effect of a control record; None if events after it are measured as before."""
        claim, value, record_at = claim_of(record.headers[0]), record.values[0] or b"", int(clocks.record_at[0])
        if (claim.kind, claim.signed, value) == (HEARTBEAT, False, b""):
            self._occurred(record_at)
            return None
        offset, sequence = int(record.offsets[0]), claim.position.sequence if claim.position else 0
        noted = ControlRecord(offset, record_at, claim.kind, sequence, claim.key_id, False, "")
        row = self.row
        try:
            lane = Position(row.log_id.split("#")[0], row.partition, row.control_sequence)
            verify(claim, value, lane, keys_of(row.control_keys))
            return self._read(noted, value)
        except ValueError as error:
            refusal = Refusal(0, Reason.CONTROL_REFUSED, f"control record without effect: {error}")
            self._refuse(dead_letters(record, clocks, [refusal]))
            self._controls.append(replace(noted, what=refusal.detail))
            return None

    def _read(self, noted: ControlRecord, value: bytes) -> "_Order":
        """Raises ValueError for a value that is not of its kind."""
        noted = replace(noted, obeyed=True)
        match noted.kind:
            case controls.DEFINITIONS:
                definitions = Definitions.parse(value)
                if definitions.semantics < self.definitions.semantics:
                    raise ValueError(
                        f"definitions of semantics {definitions.semantics}, which the lane has left behind"
                    )
                if self.history and noted.log_offset < self.history.below_offset:
                    return _Order(replace(noted, what=f"{definitions.version}, passed over: this edition has its own"))
                return _Order(replace(noted, what=f"definitions {definitions.version}"), definitions=definitions)
            case controls.FORGET:
                found = erasures(value, noted.log_offset, noted.record_at)
                return _Order(replace(noted, what=f"ids erased: {len(found)}"), erasures=found)
            case _:
                keys = keys_in(value, noted.sequence)
                return _Order(replace(noted, what=f"keys {' '.join(one.id for one in keys)}"), keys=keys)

    def _obey(self, order: "_Order") -> None:
        """From the next record on. Erasures are noted; measuring goes on as before."""
        self.row = replace(self.row, control_sequence=order.noted.sequence)
        if order.definitions:
            self.definitions = order.definitions
            if self._next_ids is not None and order.definitions.semantics == SEMANTICS:
                self.counted_ids, self._next_ids = self._next_ids, None
            self.row = replace(self.row, definitions=order.definitions.version)
            self._switched.append(order.definitions)
        if order.keys:
            self.row = replace(self.row, control_keys=keys_text(order.keys))
        self._erasures.extend(order.erasures)
        self._controls.append(order.noted)

    def _occurred(self, occurred_at: int) -> None:
        self.row = replace(self.row, occurred_max_ms=max(self.row.occurred_max_ms, occurred_at))

    def _refuse(self, letters: Sequence[DeadLetter]) -> None:
        self._letters.extend(letters)
        self._pending += sum(1 + len(letter.value or b"") // PENDING_ROW_BYTES for letter in letters)
        self.outcomes.update(letter.reason.value for letter in letters)


@dataclass(frozen=True)
class _Order:
    """A control record that is obeyed."""

    noted: ControlRecord
    definitions: Definitions | None = None
    erasures: Sequence[Erasure] = ()
    keys: Sequence[ControlKey] = ()
