"""The panes of one lane: keys, sums and versions in columns.

A pane is one fixed slice of event time for one series (journey, stage, channel, touchpoint, segment), at each of three
resolutions. Its row is absolute: the sums over every event of its key up to its log offset. Rows loaded from the
tables may be ahead of the lane (a crash between two inserts, a second owner): each ignores events at or below its own
offset. That guard is what makes replaying harmless.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams.measure.hash_index import ABSENT, HashIndex, Keys, Rows
from streams.measure.measures import COUNTS, MEASURED, SCALES, SUMS, sketch_buckets
from streams.measure.ragged import IntegerLabels, Ragged, TextLabels

RESOLUTIONS_S: Final = (10, 300, 3600)
SERIES: Final = ("journey", "stage", "channel", "touchpoint", "segment")

LABELS_MAX: Final = 4_000_000
"""Sketch buckets and currencies of all panes of a lane in memory, some 40 bytes each."""
_NAMES_UNUSED_MAX: Final = 1_000

_PANE: Final = ("series", "packed")
_PANE_BIAS: Final = 1 << 40  # pane numbers before 1970 are negative
_RESOLUTION_BITS: Final = 2

Series = tuple[str, ...]


@dataclass(frozen=True)
class PaneKeys:
    """Keys of panes in columns: series number and packed (pane number, resolution)."""

    series: Keys
    packed: Keys

    @property
    def resolution_s(self) -> npt.NDArray[np.int64]:
        """Length of each pane in seconds."""
        return np.asarray(RESOLUTIONS_S)[(self.packed & np.uint64(3)).astype(np.int64)]

    @property
    def start_ms(self) -> npt.NDArray[np.int64]:
        """Start of each pane, milliseconds since 1970."""
        number = (self.packed >> np.uint64(_RESOLUTION_BITS)).astype(np.int64) - _PANE_BIAS
        return number * self.resolution_s * 1000


def packed(start_ms: npt.NDArray[np.int64], resolution_s: npt.NDArray[np.int64] | int) -> Keys:
    """Pack (pane number, resolution) for the pane that holds each time; floors, before 1970 too."""
    number = np.floor_divide(start_ms, np.asarray(resolution_s, np.int64) * 1000) + _PANE_BIAS
    code = np.searchsorted(RESOLUTIONS_S, resolution_s)
    return (number.astype(np.uint64) << np.uint64(_RESOLUTION_BITS)) | np.asarray(code, np.uint64)


@dataclass(frozen=True)
class Deltas:
    """What events add to panes of one resolution: a row for each pane, and for each label of each of its maps."""

    sums: pl.DataFrame
    """series, packed, log_offset of the last event, and the columns of SUMS."""
    maps: Mapping[str, pl.DataFrame]
    """Name of the map to series, packed, label, value."""

    @classmethod
    def of(cls, keyed: pl.DataFrame) -> "Deltas":
        """Of events with columns log_offset, series, packed and those of MEASURED."""
        durations = keyed.select(*_PANE, "duration_ms").drop_nulls()
        buckets = durations.with_columns(label=pl.Series(sketch_buckets(durations["duration_ms"].to_numpy())))
        revenues = keyed.select(*_PANE, "action", label=pl.col("currency").fill_null(""), value="revenue_minor")
        revenues = revenues.filter(pl.col("value").is_not_null())
        maps = {
            "duration_sketch": buckets.with_columns(value=pl.lit(1, pl.Int64)),
            "revenue_minor_by_currency": revenues,
            "purchase_revenue_minor_by_currency": revenues.filter(pl.col("action") == "purchase"),
        }
        sums = keyed.group_by(_PANE).agg(pl.col("log_offset").max(), **SUMS)
        return cls(sums, {name: _by_label(values) for name, values in maps.items()})

    def coarser(self, resolution_s: int) -> "Deltas":
        """The same in longer panes, of which each holds whole panes of these."""
        sums = _repacked(self.sums, resolution_s).group_by(_PANE)
        maps = {name: _by_label(_repacked(values, resolution_s)) for name, values in self.maps.items()}
        return Deltas(sums.agg(pl.col("log_offset").max(), pl.col(*SUMS).sum()), maps)


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
        self._maps = {
            "duration_sketch": Ragged(IntegerLabels(pa.int16())),
            "revenue_minor_by_currency": Ragged(TextLabels()),
            "purchase_revenue_minor_by_currency": Ragged(TextLabels()),
        }
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

    def apply(self, events: pl.DataFrame) -> None:
        """Add events to their panes at every resolution.

        events: in offset order; columns log_offset, series, occurred_at (ms), counted, and those of MEASURED.
        """
        if not events.height:
            return
        if not events["counted"].all():
            emptied = [pl.when("counted").then(name).alias(name) for name in MEASURED]
            events = events.with_columns(emptied)
        ahead = int(events["log_offset"].min()) <= self._admitted_offset_max  # type: ignore[arg-type]
        if ahead:
            for resolution_s in RESOLUTIONS_S:
                keyed = _keyed(events, resolution_s)
                self._add(Deltas.of(keyed.filter(self._fresh(keyed))))
            return
        deltas = Deltas.of(_keyed(events, RESOLUTIONS_S[0]))
        self._add(deltas)
        for resolution_s in RESOLUTIONS_S[1:]:
            self._add(deltas.coarser(resolution_s))

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

    def evict(self, panes_max: int, labels_max: int = LABELS_MAX) -> None:
        """Let go of the oldest panes that are written, down to the limits, and of names that no pane has any more.

        Panes in flight stay.
        """
        excess, labels = len(self) - panes_max, sum(map(len, self._maps.values())) - labels_max
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
        sums = deltas.sums
        slots = self._slots(sums["series"].to_numpy(), sums["packed"].to_numpy())
        self._sums[slots] += sums.select(SUMS.keys()).to_numpy()
        self._offsets[slots] = np.maximum(self._offsets[slots], sums["log_offset"].to_numpy())
        self._dirty[slots] = True
        for name, added in deltas.maps.items():
            self._maps[name].add(self._found(added), added["label"], added["value"].to_numpy())

    def _found(self, groups: pl.DataFrame) -> Rows:
        return self._index.find(groups["series"].to_numpy(), groups["packed"].to_numpy())

    def _fresh(self, keyed: pl.DataFrame) -> pl.Series:
        """True where an event is above its pane's offset: the guard."""
        slots = self._found(keyed)
        offsets = np.where(slots == ABSENT, -1, self._offsets[slots])
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


def _repacked(deltas: pl.DataFrame, resolution_s: int) -> pl.DataFrame:
    keys = PaneKeys(deltas["series"].to_numpy(), deltas["packed"].to_numpy())
    return deltas.with_columns(packed=pl.Series(packed(keys.start_ms, resolution_s)))


def _by_label(values: pl.DataFrame) -> pl.DataFrame:
    return values.group_by(*_PANE, "label").agg(pl.col("value").sum())


def _histograms() -> Iterable[tuple[str, slice]]:
    """Column name and span of sums of each survey histogram."""
    start = len(COUNTS)
    for instrument, answers in SCALES.items():
        yield f"{instrument}_counts", slice(start, start + len(answers))
        start += len(answers)


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
