"""Which events of a lane have been counted before.

An event is a duplicate if a counted event with its event_id stands at a lower offset of the lane, with a lane clock
that is not past the horizon, and among the newest offsets whose ids are remembered at all. Ids are remembered with the
lane clock and the offset of their event, so that the verdict depends on the log alone: not on when an id was forgotten,
where batches were cut, or who computed it. Neither bound ever falls back, even where new definitions remember more ids
or for longer: what they have passed is forgotten for good.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from touchstream.streams.measure.content import Contents
from touchstream.streams.measure.hash_index import ABSENT, HashIndex, Keys, resized

Clocks = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int64]

NOTHING_PASSED: Final = -(2**62)
"""A clock and an offset below all real ones, with room for subtraction."""
_SPAN: Final = 2**30
"""Offsets are kept in 32 bits, from an origin that moves by this; no bound of how many ids is larger."""


@dataclass(frozen=True)
class Seen:
    """Where events stand, in offset order, and what still counts as seen at each of them; nothing of it ever falls.

    clocks: the lane clock (ms); offsets: in the log; of the logs before it, counted backwards from −1.
    clocks_from, offsets_from: an id that was counted before either is forgotten.
    contents: what the events say (`content.contents`).
    """

    clocks: Clocks
    offsets: Offsets
    clocks_from: Clocks
    offsets_from: Offsets
    contents: Contents

    def __getitem__(self, chosen: slice | npt.NDArray[Any]) -> "Seen":
        return Seen(
            self.clocks[chosen],
            self.offsets[chosen],
            self.clocks_from[chosen],
            self.offsets_from[chosen],
            self.contents[chosen],
        )


class Verdicts(NamedTuple):
    """Which events of a batch were counted before, and which of those said something else then."""

    duplicate: npt.NDArray[np.bool_]
    conflicting: npt.NDArray[np.bool_]


class CountedIds:
    """The event ids that a lane has counted within its horizon.

    Ids are kept as 128-bit hashes under a random seed: 10^12 events among 10^8 remembered ids meet one false duplicate
    with probability 3·10^-19.
    """

    def __init__(self) -> None:
        self._seed = secrets.randbits(63)
        self._index = HashIndex()
        self._clocks: Clocks = np.empty(0, np.int64)
        self._origin = 0
        self._offsets: npt.NDArray[np.int32] = np.empty(0, np.int32)  # less the origin
        self._contents: Contents = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._index)

    def count(self, event_ids: pl.Series, seen: Seen) -> Verdicts:
        """Remember a batch of ids (strings) in offset order, and say which were counted before."""
        if len(event_ids):
            self._move_origin(seen)
        high, low = self._hashes(event_ids)
        order = np.lexsort((low, high))
        repeated = np.zeros(len(low), np.bool_)
        repeated[order[1:]] = (low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
        first = ~repeated
        duplicate, conflicting = found = self._counted(high, low, seen)
        if not repeated.any():
            self._remember(high[~duplicate], low[~duplicate], seen[~duplicate])
            return found
        # lexsort is stable: the first occurrence of an id is judged in columns, then its repetitions. What is
        # remembered of an id only grows newer within a batch: what it covers now it covers then; few others are left.
        counted = first & ~duplicate
        self._remember(high[counted], low[counted], seen[counted])
        rows = np.flatnonzero(repeated)
        duplicate[rows], conflicting[rows] = self._counted(high[rows], low[rows], seen[rows])
        for row in rows[~duplicate[rows]]:
            one = slice(row, row + 1)
            duplicate[one], conflicting[one] = self._counted(high[one], low[one], seen[one])
            if not duplicate[row]:
                self._remember(high[one], low[one], seen[one])
        return found

    def load(self, event_ids: pl.Series, clocks: Clocks, offsets: Offsets, contents: Contents) -> None:
        """Take over ids that were counted before, in offset order; an id may come again."""
        self.count(event_ids, Seen(clocks, offsets, clocks + 1, np.full(len(offsets), NOTHING_PASSED), contents))

    def forget(self, clocks_from: int, offsets_from: int) -> None:
        """Let go of ids that were counted before either; call it seldom, it copies what stays."""
        mask = ~self._passed(clocks_from, offsets_from)
        self._clocks, self._offsets = self._clocks[: len(mask)][mask], self._offsets[: len(mask)][mask]
        self._contents = self._contents[: len(mask)][mask]
        self._index.keep(mask)

    def expired(self, clocks_from: int, offsets_from: int) -> int:
        """How many remembered ids were counted before either."""
        return int(np.count_nonzero(self._passed(clocks_from, offsets_from)))

    def _passed(self, clocks_from: int, offsets_from: int) -> npt.NDArray[np.bool_]:
        size = len(self._index)
        return (self._clocks[:size] < clocks_from) | (self._offsets[:size] < offsets_from - self._origin)

    def _move_origin(self, seen: Seen) -> None:
        """Move the origin so that 32 bits hold the offsets of a batch."""
        ahead = int(seen.offsets[-1]) - self._origin
        if abs(ahead) <= _SPAN:
            return
        # What stays is not below the bound: there it may stand at the lowest offset that there is room for.
        self.forget(NOTHING_PASSED, int(seen.offsets_from[0]))
        moved = self._offsets.astype(np.int64) - ahead
        self._offsets = np.maximum(moved, np.iinfo(np.int32).min).astype(np.int32)
        self._origin += ahead

    def _hashes(self, event_ids: pl.Series) -> tuple[Keys, Keys]:
        seed, digest = self._seed, xxhash.xxh3_128_digest
        digests = b"".join([digest(event_id, seed) for event_id in event_ids.cast(pl.Binary).to_list()])
        pairs = np.frombuffer(digests, np.uint64).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])

    def _counted(self, high: Keys, low: Keys, seen: Seen) -> Verdicts:
        """Where an id was counted before and is not forgotten, and where it said something else."""
        rows = self._index.find(high, low)
        found = np.flatnonzero(rows != ABSENT)
        counted, differs = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        at = rows[found]
        counted[found] = (self._clocks[at] >= seen.clocks_from[found]) & (
            self._offsets[at] >= seen.offsets_from[found] - self._origin
        )
        differs[found] = counted[found] & (self._contents[at] != seen.contents[found])
        return Verdicts(counted, differs)

    def _remember(self, high: Keys, low: Keys, seen: Seen) -> None:
        rows = self._index.insert(high, low)
        if len(self._index) > len(self._clocks):
            size = max(1024, len(self._index) * 3 // 2)
            self._clocks, self._offsets = resized(self._clocks, size), resized(self._offsets, size)
            self._contents = resized(self._contents, size)
        self._clocks[rows] = seen.clocks
        self._offsets[rows] = seen.offsets - self._origin
        self._contents[rows] = seen.contents
