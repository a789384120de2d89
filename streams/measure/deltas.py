"""What a batch of events adds to the panes of a lane: keys of panes, and integers to add to them, in columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from touchstream.schemas.measures import Measure
from touchstream.streams.measure.hash_index import Keys
from touchstream.streams.measure.measures import ANSWERS, BY_CURRENCY, SKETCHES, SUMS, fulfilled, sketch_buckets
from touchstream.streams.measure.ragged import Labels

RESOLUTIONS_S: Final = (10, 300, 3600)

_PANE: Final = ("series", "packed")
_PANE_BIAS: Final = 1 << 40  # pane numbers before 1970 are negative
_RESOLUTION_BITS: Final = 2

Integers = npt.NDArray[np.int64]


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
class Sums:
    """Rows of integers to add, one for each distinct key: a pane (series, packed), or also the number of a label.

    keys: columns of one length; rows: (that length, how many integers are summed).
    """

    keys: tuple[Keys, ...]
    rows: Integers

    @property
    def panes(self) -> PaneKeys:
        """The pane of each row."""
        return PaneKeys(self.keys[0], self.keys[1])

    def in_panes_of(self, resolution_s: int) -> "tuple[Sums, npt.NDArray[np.intp], npt.NDArray[np.intp]]":
        """The same by longer panes, of which each holds whole panes of these.

        Beside it, how the rows were put in order, and where the runs of rows that were added up begin in that order.
        Sorted in NumPy: a group-by of polars costs a millisecond, and a small batch has some ten rows.
        """
        keys = (self.keys[0], packed(self.panes.start_ms, resolution_s), *self.keys[2:])
        order = np.lexsort(keys)
        keys = tuple(column[order] for column in keys)
        differs = np.any([column[1:] != column[:-1] for column in keys], axis=0)
        first = np.flatnonzero(np.append(len(order) > 0, differs))
        rows = np.add.reduceat(self.rows[order], first, axis=0)
        return Sums(tuple(column[first] for column in keys), rows), order, first


@dataclass(frozen=True)
class Deltas:
    """What events add to panes of one resolution.

    panes: the columns of SUMS; log_offsets: of each pane's last event; maps: by name of the map, one value each.
    """

    panes: Sums
    log_offsets: Integers
    maps: Mapping[str, Sums]

    @classmethod
    def of(cls, keyed: pl.DataFrame, labels: Mapping[str, Labels]) -> "Deltas":
        """The deltas of events with columns log_offset, series, packed and those of MEASURED. labels: by map name."""
        maps = {one.name: _of_sketch(keyed, one) for one in SKETCHES} | _of_currencies(keyed)
        maps |= {one.name: _of_answers(keyed, one) for one in ANSWERS}
        sums = keyed.group_by(_PANE).agg(pl.col("log_offset").max(), **SUMS)
        return cls(
            Sums(_keys(sums), sums.select(SUMS.keys()).to_numpy()),
            sums["log_offset"].to_numpy(),
            {name: _by_label(values, labels[name]) for name, values in maps.items() if values.height},
        )

    def negated(self) -> "Deltas":
        """What takes the same out of panes again."""
        panes = replace(self.panes, rows=-self.panes.rows)
        maps = {name: replace(sums, rows=-sums.rows) for name, sums in self.maps.items()}
        return Deltas(panes, self.log_offsets, maps)

    def coarser(self, resolution_s: int) -> "Deltas":
        """The same in longer panes, of which each holds whole panes of these."""
        panes, order, first = self.panes.in_panes_of(resolution_s)
        maps = {name: sums.in_panes_of(resolution_s)[0] for name, sums in self.maps.items()}
        return Deltas(panes, np.maximum.reduceat(self.log_offsets[order], first), maps)


def _of_sketch(keyed: pl.DataFrame, sketch: Measure) -> pl.DataFrame:
    """An event's bucket as `label`, and 1 as `value`, of those that have a value."""
    values = keyed.select(*_PANE, sketch.column).drop_nulls()
    buckets = pl.Series(sketch_buckets(values[sketch.column].to_numpy()))
    return values.with_columns(label=buckets, value=pl.lit(1, pl.Int64))


def _of_currencies(keyed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """By measure an event's currency as `label`, and its amount as `value`, of those that have one."""
    conditions = {column for one in BY_CURRENCY for column in one.where}
    label = pl.col("currency").fill_null("")
    amounts = {
        column: keyed.select(*_PANE, *sorted(conditions), label=label, value=column).filter(
            pl.col("value").is_not_null()
        )
        for column in {one.column for one in BY_CURRENCY}
    }
    return {
        one.name: amounts[one.column].filter(fulfilled(one)) if one.where else amounts[one.column]
        for one in BY_CURRENCY
    }


def _of_answers(keyed: pl.DataFrame, answers: Measure) -> pl.DataFrame:
    """An event's instrument and score as `label`, and 1 as `value`, of those that have a score."""
    answered = keyed.filter(pl.col(answers.column).is_not_null())
    label = pl.concat_str("instrument", pl.col(answers.column).cast(pl.String), separator=" ")
    return answered.select(*_PANE, label=label, value=pl.lit(1, pl.Int64))


def _by_label(values: pl.DataFrame, labels: Labels) -> Sums:
    sums = values.group_by(*_PANE, "label").agg(pl.col("value").sum())
    return Sums((*_keys(sums), labels.numbers(sums["label"])), sums["value"].to_numpy()[:, np.newaxis])


def _keys(rows: pl.DataFrame) -> tuple[Keys, Keys]:
    return rows["series"].to_numpy(), rows["packed"].to_numpy()
