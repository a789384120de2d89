"""Sums by (pane, label) where each pane has labels of its own: sketch buckets, currencies, scores."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from touchstream.streams.measure.hash_index import HashIndex, Keys, Rows


class Labels(Protocol):
    """Labels as 64-bit numbers, and back."""

    def numbers(self, labels: pl.Series) -> Keys:
        """The number of each label."""

    def arrow(self, numbers: Keys) -> pa.Array:
        """The label of each number."""


class IntegerLabels:
    """Small integers, also negative ones: they are their own numbers."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self._arrow_type = arrow_type

    def numbers(self, labels: pl.Series) -> Keys:
        """Two's complement."""
        return labels.cast(pl.Int64).to_numpy().view(np.uint64)

    def arrow(self, numbers: Keys) -> pa.Array:
        """As the declared Arrow type."""
        return pa.array(numbers.view(np.int64)).cast(self._arrow_type)


class TextLabels:
    """Strings, of which there are few: numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, labels: pl.Series) -> Keys:
        """New labels are given the next number."""
        return np.asarray([self._numbers.setdefault(label, len(self._numbers)) for label in labels], np.uint64)

    def arrow(self, numbers: Keys) -> pa.Array:
        """As Arrow strings."""
        return pa.array(list(self._numbers), pa.string()).take(pa.array(numbers.astype(np.int64)))


class Ragged:
    """A map of label to integer sum for each pane slot, in columns."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self._index = HashIndex()  # (pane slot, label number) → entry
        self._values: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._index)

    def held(self, slots: int) -> npt.NDArray[np.int64]:
        """How many labels each of the first `slots` panes holds."""
        return np.bincount(self._index.high.astype(np.int64), minlength=slots)

    def add(self, slots: Rows, labels: Keys, values: npt.NDArray[np.int64]) -> None:
        """Add values to distinct pairs of a slot and the number of a label."""
        entries = self._index.insert(slots.astype(np.uint64), labels)
        if len(self._index) > len(self._values):
            grow = max(1024, len(self._index) * 3 // 2) - len(self._values)
            self._values = np.concatenate([self._values, np.zeros(grow, np.int64)])
        self._values[entries] += values

    def admit(self, slots: Rows, maps: pa.MapArray) -> None:
        """Take over one map for each slot, which must be new."""
        offsets = maps.offsets.to_numpy()
        first, last = offsets[0], offsets[-1]
        labels = pl.Series(maps.keys.slice(first, last - first))
        values = maps.items.slice(first, last - first).to_numpy(zero_copy_only=False)
        self.add(np.repeat(slots, np.diff(offsets)), self.labels.numbers(labels), values)

    def maps(self, slots: Rows) -> pa.MapArray:
        """The maps of the given slots, which must ascend; labels in the order in which the lane met them."""
        owners = self._index.high.astype(np.int64)
        wanted = np.zeros(max(int(slots.max(initial=-1)), int(owners.max(initial=-1))) + 1, np.bool_)
        wanted[slots] = True
        entries = np.flatnonzero(wanted[owners])
        entries = entries[np.argsort(owners[entries], kind="stable")]
        offsets = np.searchsorted(owners[entries], np.append(slots, np.iinfo(np.int64).max)).astype(np.int32)
        labels = self.labels.arrow(self._index.low[entries])
        return pa.MapArray.from_arrays(pa.array(offsets), labels, pa.array(self._values[entries]))

    def keep(self, mask: npt.NDArray[np.bool_], moved: Rows) -> None:
        """Follow the panes: drop slots where the mask is False, renumber the others."""
        owners, numbers = self._index.high.astype(np.int64), self._index.low
        stays = mask[owners]
        values = self._values[: len(self._index)][stays]
        index = HashIndex()
        index.insert(moved[owners[stays]].astype(np.uint64), numbers[stays])
        self._index, self._values = index, values
