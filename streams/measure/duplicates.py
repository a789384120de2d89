"""Which events of a lane have been counted before.

An event is a duplicate if a counted event with its event_id stands at a lower offset of the lane, with a lane clock
that is not past the horizon. Ids are remembered with the lane clock of their event, so that the verdict depends on the
log alone: not on when an id was forgotten, where batches were cut, or who computed it. The horizon never falls back,
even where new definitions remember ids for longer: what it has passed is forgotten for good.
"""

import secrets

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from streams.measure.hash_index import ABSENT, HashIndex, Keys, resized

Clocks = npt.NDArray[np.int64]

_NEVER = np.iinfo(np.int64).min


class CountedIds:
    """The event ids that a lane has counted within its horizon.

    Ids are kept as 128-bit hashes under a random seed: 10^12 events among 10^8 remembered ids meet one false duplicate
    with probability 3·10^-19.
    """

    def __init__(self) -> None:
        self._seed = secrets.randbits(63)
        self._index = HashIndex()
        self._clocks: Clocks = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._index)

    def count(self, event_ids: pl.Series, clocks: Clocks, horizons: Clocks) -> npt.NDArray[np.bool_]:
        """Remember a batch of ids in offset order; True where the event is a duplicate.

        event_ids: strings; clocks: the lane clock at each event; horizons: the lane clock before which an id no longer
        counts as seen, at each event. Both in ms, never falling.
        """
        high, low = self._hashes(event_ids)
        order = np.lexsort((low, high))
        repeated = np.zeros(len(low), np.bool_)
        repeated[order[1:]] = (low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
        first = ~repeated
        before = self._last_counted(high, low)
        duplicate = before >= horizons
        if not repeated.any():
            self._remember(high[~duplicate], low[~duplicate], clocks[~duplicate])
            return duplicate
        # lexsort is stable: the first occurrence of an id is judged in columns, its repetitions one by one.
        counted = first & ~duplicate
        self._remember(high[counted], low[counted], clocks[counted])
        for row in np.flatnonzero(repeated):
            one = slice(row, row + 1)
            duplicate[one] = self._last_counted(high[one], low[one]) >= horizons[one]
            if not duplicate[row]:
                self._remember(high[one], low[one], clocks[one])
        return duplicate

    def load(self, event_ids: pl.Series, clocks: Clocks) -> None:
        """Take over ids that were counted before, in offset order; an id may come again."""
        self.count(event_ids, clocks, clocks + 1)

    def forget(self, before_ms: int) -> None:
        """Let go of ids whose lane clock is below; call it seldom, it copies what stays."""
        mask = self._clocks[: len(self._index)] >= before_ms
        self._clocks = self._clocks[: len(self._index)][mask]
        self._index.keep(mask)

    def expired(self, before_ms: int) -> int:
        """How many remembered ids have a lane clock below."""
        return int(np.count_nonzero(self._clocks[: len(self._index)] < before_ms))

    def _hashes(self, event_ids: pl.Series) -> tuple[Keys, Keys]:
        seed, digest = self._seed, xxhash.xxh3_128_digest
        digests = b"".join([digest(event_id, seed) for event_id in event_ids.cast(pl.Binary).to_list()])
        pairs = np.frombuffer(digests, np.uint64).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])

    def _last_counted(self, high: Keys, low: Keys) -> Clocks:
        rows = self._index.find(high, low)
        known = rows != ABSENT
        before = np.full(len(rows), _NEVER, np.int64)
        before[known] = self._clocks[rows[known]]
        return before

    def _remember(self, high: Keys, low: Keys, clocks: Clocks) -> None:
        rows = self._index.insert(high, low)
        if len(self._index) > len(self._clocks):
            self._clocks = resized(self._clocks, max(1024, len(self._index) * 3 // 2))
        self._clocks[rows] = clocks
