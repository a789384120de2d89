"""The panes of one lane: keys, sums and versions in columns.

A pane is one fixed slice of event time for one series (journey, stage, channel, touchpoint, segment), at each of three
resolutions. Its row is absolute: the sums over every event of its key up to its log offset. Rows loaded from the
tables may be ahead of the lane (a crash between two inserts, a second owner): each ignores events at or below its own
offset. That guard is what makes replaying harmless.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from touchstream.streams.measure.deltas import RESOLUTIONS_S, Deltas, PaneKeys, packed
from touchstream.streams.measure.hash_index import ABSENT, HashIndex, Keys, Rows
from touchstream.streams.measure.measures import (
    ANSWERS,
    BY_CURRENCY,
    COUNTS,
    HISTOGRAMS,
    MEASURED,
    SKETCHES,
    SUMS,
)
from touchstream.streams.measure.ragged import IntegerLabels, Ragged, TextLabels

SERIES: Final = ("journey", "stage", "channel", "touchpoint", "segment")

LABELS_MAX: Final = 4_000_000
"""Sketch buckets, currencies and scores of all panes of a lane in memory, some 40 bytes each."""
_NAMES_UNUSED_MAX: Final = 1_000
"""Most names that no pane uses any more, beyond as many as panes use."""

Series = tuple[str, ...]


class Panes:
    """All panes of a lane that are in memory, and which of them have to be written."""

    def __init__(self) -> None:
        self._series: dict[Series, int] = {}
        self._series_names: list[Series] = []
        self._index = HashIndex()
        self._sums = np.zeros((0, len(SUMS)), np.int64)
        self._offsets = np.empty(0, np.int64)
        self._dirty = np.empty(0, np.bool_)
        self._in_flight = np.empty(0, np.bool_)
        self._maps = {one.name: Ragged(IntegerLabels(pa.int16())) for one in SKETCHES}
        self._maps |= {one.name: Ragged(TextLabels()) for one in (*BY_CURRENCY, *ANSWERS)}
        # Below this start a pane that is not in memory may still stand in the tables.
        self.complete_from_ms: dict[int, int] = dict.fromkeys(RESOLUTIONS_S, np.iinfo(np.int64).min)
        self._admitted_offset_max = -1

    def __len__(self) -> int:
        return len(self._index)

    @property
    def names(self) -> int:
        """How many series are known."""
        return len(self._series_names)

    @property
    def labels(self) -> int:
        """Sketch buckets, currencies and scores of all panes."""
        return sum(map(len, self._maps.values()))

    @property
    def unwritten(self) -> int:
        """Panes that changed since the last `changed`."""
        return int(np.count_nonzero(self._dirty[: len(self)]))

    def series(self, names: Iterable[Series]) -> list[int]:
        """The number of each series; new ones are given the next."""
        numbers = []
        for name in names:
            number = self._series.setdefault(name, len(self._series_names))
            if number == len(self._series_names):
                self._series_names.append(name)
            numbers.append(number)
        return numbers

    def missing(self, events: pl.DataFrame) -> pa.Table | None:
        """Keys (resolution_s, pane_start, series columns) that the events need and only the tables may know."""
        series, starts = events["series"].to_numpy().astype(np.uint64), events["occurred_at"].to_numpy()
        absent = []
        for resolution_s in RESOLUTIONS_S:
            old = starts < self.complete_from_ms[resolution_s]
            if old.any():
                keys = np.unique(np.stack([series[old], packed(starts[old], resolution_s)]), axis=1)
                unknown = self._index.find(keys[0], keys[1]) == ABSENT
                absent.append(keys[:, unknown])
        if not absent or not sum(keys.shape[1] for keys in absent):
            return None
        high, low = np.concatenate(absent, axis=1)
        return self._key_columns(PaneKeys(high, low))

    def admit(self, rows: pa.Table) -> None:
        """Take over rows of `stage_panes`; those already in memory stay as they are."""
        if not rows.num_rows:
            return
        names = zip(*(rows[name].to_pylist() for name in SERIES), strict=True)
        series = np.asarray(self.series(names), np.uint64)
        starts = rows["pane_start"].cast(pa.int64()).to_numpy()
        low = packed(starts, rows["resolution_s"].to_numpy().astype(np.int64))
        new = np.flatnonzero(self._index.find(series, low) == ABSENT)
        slots = self._slots(series[new], low[new])
        chosen = rows.take(pa.array(new))
        self._offsets[slots] = chosen["log_offset"].to_numpy().astype(np.int64)
        self._sums[slots] = _sums_of_rows(chosen)
        for name, ragged in self._maps.items():
            ragged.admit(slots, chosen[name].combine_chunks())
        self._admitted_offset_max = max(self._admitted_offset_max, int(self._offsets[slots].max(initial=-1)))

    def apply(self, events: pl.DataFrame, retracted: pl.DataFrame | None = None) -> None:
        """Add events to their panes at every resolution.

        events: in offset order; columns log_offset, series, occurred_at (ms), counted, and those of MEASURED.
        retracted: the same of counted events that leave their panes, at the offset of what makes them leave.
        """
        if events.height and not events["counted"].all():
            emptied = [pl.when("counted").then(name).alias(name) for name in MEASURED]
            events = events.with_columns(emptied)
        parts = [(events, False)] if events.height else []
        if retracted is not None and retracted.height:
            parts.append((retracted, True))
        if not parts:
            return
        first = min(int(part["log_offset"].min()) for part, _ in parts)  # type: ignore[arg-type]
        if first <= self._admitted_offset_max:
            # What is fresh is found for all of them before any moves a pane's offset.
            for resolution_s in RESOLUTIONS_S:
                keyed = [(_keyed(part, resolution_s), leaves) for part, leaves in parts]
                fresh = [(part.filter(self._fresh(part)), leaves) for part, leaves in keyed]
                for part, leaves in fresh:
                    self._add(self._deltas(part, leaves=leaves))
            return
        for part, leaves in parts:
            deltas = self._deltas(_keyed(part, RESOLUTIONS_S[0]), leaves=leaves)
            self._add(deltas)
            for resolution_s in RESOLUTIONS_S[1:]:
                self._add(deltas.coarser(resolution_s))

    def _deltas(self, keyed: pl.DataFrame, *, leaves: bool) -> Deltas:
        deltas = Deltas.of(keyed, {name: ragged.labels for name, ragged in self._maps.items()})
        return deltas.negated() if leaves else deltas

    def changed(self) -> pa.Table:
        """The rows that changed since the last call, as of now; they stay pinned until `acknowledged`."""
        slots = np.flatnonzero(self._dirty[: len(self)])
        self._in_flight[slots] = True
        self._dirty[slots] = False
        keys = PaneKeys(self._index.high[slots], self._index.low[slots])
        columns = _columns(self._key_columns(keys))
        columns["log_offset"] = pa.array(self._offsets[slots])
        sums = self._sums[slots]
        for position, name in enumerate(COUNTS):
            columns[name] = pa.array(np.ascontiguousarray(sums[:, position]))
        for name, span in _histograms():
            columns[name] = _lists(sums[:, span])
        columns |= {name: ragged.maps(slots) for name, ragged in self._maps.items()}
        return pa.table(columns)

    def acknowledged(self) -> None:
        """The rows of the last `changed` are in the tables."""
        self._in_flight[:] = False

    def evict(self, panes_max: int, labels_max: int) -> None:
        """Let go of the oldest panes that are written, down to the limits, and of names that no pane has any more.

        Panes in flight stay.
        """
        excess, labels = len(self) - panes_max, self.labels - labels_max
        if max(excess, labels) <= 0:
            return
        keys = PaneKeys(self._index.high, self._index.low)
        free = np.flatnonzero(~(self._dirty | self._in_flight)[: len(self)])
        leaving = free[np.argsort(keys.start_ms[free], kind="stable")]
        if labels > 0:
            held = sum(ragged.held(len(self)) for ragged in self._maps.values())
            excess = max(excess, int(np.searchsorted(np.cumsum(np.asarray(held)[leaving]), labels)) + 1)
        leaving = leaving[:excess]
        for resolution_s in RESOLUTIONS_S:
            gone = leaving[keys.resolution_s[leaving] == resolution_s]
            if len(gone):
                newest = int(keys.start_ms[gone].max()) + resolution_s * 1000
                self.complete_from_ms[resolution_s] = max(self.complete_from_ms[resolution_s], newest)
        mask = np.ones(len(self), np.bool_)
        mask[leaving] = False
        self._keep(mask)
        self._forget_names()

    def _add(self, deltas: Deltas) -> None:
        slots = self._slots(*deltas.panes.keys)
        self._sums[slots] += deltas.panes.rows
        self._offsets[slots] = np.maximum(self._offsets[slots], deltas.log_offsets)
        self._dirty[slots] = True
        for name, added in deltas.maps.items():
            series, low, labels = added.keys
            self._maps[name].add(self._index.find(series, low), labels, added.rows[:, 0])

    def _fresh(self, keyed: pl.DataFrame) -> pl.Series:
        """True where an event is above its pane's offset: the guard."""
        slots = self._index.find(keyed["series"].to_numpy(), keyed["packed"].to_numpy())
        known, offsets = slots != ABSENT, np.full(len(slots), -1)
        offsets[known] = self._offsets[slots[known]]
        return pl.Series(keyed["log_offset"].to_numpy() > offsets)

    def _slots(self, series: Keys, low: Keys) -> Rows:
        slots = self._index.insert(series, low)
        known = len(self._offsets)
        if len(self._index) > known:
            grow = max(1024, len(self._index) * 3 // 2) - known
            self._sums = np.concatenate([self._sums, np.zeros((grow, len(SUMS)), np.int64)])
            self._offsets = np.concatenate([self._offsets, np.full(grow, -1, np.int64)])
            self._dirty = np.concatenate([self._dirty, np.zeros(grow, np.bool_)])
            self._in_flight = np.concatenate([self._in_flight, np.zeros(grow, np.bool_)])
        return slots

    def _keep(self, mask: npt.NDArray[np.bool_]) -> None:
        size, moved = len(self), np.cumsum(mask) - 1
        self._index.keep(mask)
        self._sums, self._offsets = self._sums[:size][mask], self._offsets[:size][mask]
        self._dirty, self._in_flight = self._dirty[:size][mask], self._in_flight[:size][mask]
        for ragged in self._maps.values():
            ragged.keep(mask, moved)

    def _forget_names(self) -> None:
        """Names made up anew for each event would fill the memory: keep those of panes that are still here."""
        used = np.unique(self._index.high)
        if len(self._series_names) <= 2 * len(used) + _NAMES_UNUSED_MAX:
            return
        index = HashIndex()
        index.insert(np.searchsorted(used, self._index.high).astype(np.uint64), self._index.low)
        self._index = index
        self._series_names = [self._series_names[number] for number in used.tolist()]
        self._series = {name: number for number, name in enumerate(self._series_names)}

    def _key_columns(self, keys: PaneKeys) -> pa.Table:
        columns: dict[str, pa.Array] = {
            "resolution_s": pa.array(keys.resolution_s.astype(np.uint32)),
            "pane_start": pa.array(keys.start_ms).cast(pa.timestamp("ms", tz="UTC")),
        }
        numbers = pa.array(keys.series.astype(np.int64))
        for position, name in enumerate(SERIES):
            names = pa.array([series[position] for series in self._series_names], pa.string())
            columns[name] = names.take(numbers)
        return pa.table(columns)


def _keyed(events: pl.DataFrame, resolution_s: int) -> pl.DataFrame:
    """Events with the key of their pane: columns series and packed."""
    panes = pl.Series(packed(events["occurred_at"].to_numpy(), resolution_s))
    return events.with_columns(pl.col("series").cast(pl.UInt64), packed=panes)


def _histograms() -> Iterable[tuple[str, slice]]:
    """Column name and span of sums of each survey histogram."""
    start = len(COUNTS)
    for one in HISTOGRAMS:
        yield one.name, slice(start, start + len(one.answers))
        start += len(one.answers)


def _lists(matrix: npt.NDArray[np.int64]) -> pa.Array:
    width = matrix.shape[1]
    offsets = pa.array(np.arange(0, matrix.size + 1, width, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(matrix).ravel()))


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _sums_of_rows(rows: pa.Table) -> npt.NDArray[np.int64]:
    sums = np.zeros((rows.num_rows, len(SUMS)), np.int64)
    for position, name in enumerate(COUNTS):
        sums[:, position] = rows[name].to_numpy()
    for name, span in _histograms():
        width = span.stop - span.start
        sums[:, span] = rows[name].combine_chunks().flatten().to_numpy().reshape(-1, width)
    return sums
