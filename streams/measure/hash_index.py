"""A hash table in columns: pairs of 64-bit keys to dense row numbers, a whole batch at a time.

Python's dict costs some 200 bytes and 100 ns for each key; this costs 16 bytes and a slot of 4 to 11, and one pass of
NumPy over a batch. Open addressing with linear probing (Knuth, TAOCP 3, 6.4); rows are numbered in order of insertion.
"""

from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

ABSENT: Final = -1
_LOAD_MAX: Final = 0.6  # linear probing needs about 2 probes for a hit and 4 for a miss at this load
_CAPACITY_MIN: Final = 1024  # a power of two, as every capacity
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio (Fibonacci hashing, ibid.)


class HashIndex:
    """Numbers distinct (high, low) keys 0, 1, 2, … in order of insertion."""

    def __init__(self) -> None:
        self._high: Keys = np.empty(_CAPACITY_MIN, np.uint64)
        self._low: Keys = np.empty(_CAPACITY_MIN, np.uint64)
        self._slots: npt.NDArray[np.int32] = np.full(_CAPACITY_MIN, ABSENT, np.int32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def high(self) -> Keys:
        """The high halves of all keys, by row."""
        return self._high[: self._size]

    @property
    def low(self) -> Keys:
        """The low halves of all keys, by row."""
        return self._low[: self._size]

    def find(self, high: Keys, low: Keys) -> Rows:
        """Row numbers of the keys, ABSENT for those that the index does not hold."""
        found, _ = self._probe(high, low)
        return found

    def insert(self, high: Keys, low: Keys) -> Rows:
        """Row numbers of the keys, which must be distinct within the call; new keys get the next numbers."""
        rows, slots = self._probe(high, low)
        new = np.flatnonzero(rows == ABSENT)
        if not len(new):
            return rows
        if self._reserve(self._size + len(new)):
            _, slots = self._probe(high, low)
        numbers = np.arange(self._size, self._size + len(new))
        self._high[numbers], self._low[numbers] = high[new], low[new]
        self._size += len(new)
        self._place(numbers, slots[new])
        rows[new] = numbers
        return rows

    def keep(self, mask: npt.NDArray[np.bool_]) -> None:
        """Drop the rows where the mask is False; the others move together and keep their order."""
        high, low = self.high[mask], self.low[mask]
        self._size = len(high)
        # Room for no more than there is, else a burst would hold its memory for ever.
        self._high, self._low = (resized(keys, max(self._size, _CAPACITY_MIN)) for keys in (high, low))
        self._rebuild(_capacity(self._size))

    def _home(self, high: Keys, low: Keys) -> Rows:
        mixed = (low ^ (high * _MIX)) * _MIX
        shift = np.uint64(64 - (len(self._slots).bit_length() - 1))
        return (mixed >> shift).astype(np.int64)

    def _probe(self, high: Keys, low: Keys) -> tuple[Rows, Rows]:
        """For each key its row (or ABSENT) and the slot where it stands (or the first free one)."""
        slots = self._home(high, low)
        rows = np.full(len(slots), ABSENT, np.int64)
        open_ = np.arange(len(slots))
        wrap = len(self._slots) - 1
        while len(open_):
            candidates = self._slots[slots[open_]]
            taken = candidates != ABSENT
            equal = taken & (self._low[candidates] == low[open_]) & (self._high[candidates] == high[open_])
            rows[open_[equal]] = candidates[equal]
            open_ = open_[taken & ~equal]
            slots[open_] = (slots[open_] + 1) & wrap
        return rows, slots

    def _place(self, numbers: Rows, slots: Rows) -> None:
        """Write new row numbers at or after their slots; where several want one slot, the last writer wins."""
        wrap = len(self._slots) - 1
        while len(numbers):
            free = self._slots[slots] == ABSENT
            self._slots[slots[free]] = numbers[free]
            lost = self._slots[slots] != numbers
            numbers, slots = numbers[lost], (slots[lost] + 1) & wrap

    def _reserve(self, size: int) -> bool:
        """Make room for that many keys; True if the slots were laid anew."""
        if size > len(self._high):
            capacity = max(size, len(self._high) * 3 // 2)
            self._high, self._low = (resized(keys, capacity) for keys in (self._high, self._low))
        if size <= _LOAD_MAX * len(self._slots):
            return False
        self._rebuild(_capacity(size))
        return True

    def _rebuild(self, capacity: int) -> None:
        self._slots = np.full(capacity, ABSENT, np.int32)
        self._place(np.arange(self._size), self._home(self.high, self.low))


def resized(values: npt.NDArray[Number], size: int) -> npt.NDArray[Number]:
    """A copy of the given size; values behind the old ones are undefined.

    Not np.resize: its result is a view, and keeps a whole multiple of the old array resident.
    """
    found = np.empty(size, values.dtype)
    kept = min(size, len(values))
    found[:kept] = values[:kept]
    return found


def _capacity(size: int) -> int:
    """The smallest power of two that holds this many keys below the highest load."""
    return max(_CAPACITY_MIN, 1 << int(np.ceil(np.log2(max(size, 1) / _LOAD_MAX))))
