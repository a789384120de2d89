"""Which version of an answer counts, where events amend it.

An answer is (source, Kafka key, `amends` or else `event_id`). Once an event has amended it, its versions take its place
one after the other: a version counts where nothing of the answer is counted yet, or where it comes after what is, by
(occurred_at, offset); what was counted then leaves its panes. What each event does follows from versions at lower
offsets alone. Their rows in `touchpoints` say it all, so they are looked up there, and no lane holds them: it remembers
of which answers there are amendments, since the first version may come after them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import xxhash

from touchstream.streams.measure.hash_index import ABSENT, HashIndex, Keys, Rows, resized
from touchstream.streams.measure.identity import identities
from touchstream.streams.measure.measures import MEASURED
from touchstream.streams.measure.panes import SERIES

REMEMBERED_MS: Final = 90 * 86_400_000
"""Amendments of longer ago are forgotten: no definitions reach further back."""
_INSTANTS: Final = ("lane_clock", "occurred_at")
_IDENTITY: Final = ("source", "channel", "customer_id", "anonymous_id", "kafka_key")
_COUNTED: Final = tuple(dict.fromkeys(("occurred_at", *SERIES, *MEASURED)))
"""What panes count of a version."""
_VERSION: Final = tuple(dict.fromkeys(("log_offset", "lane_clock", "event_id", "amends", *_IDENTITY, *_COUNTED)))

VersionLoader = Callable[[Sequence[str], int, int], pa.Table]
"""event_ids, an offset and a lane clock (ms), to rows of `touchpoints` (`sinks.clickhouse.rows.VERSIONS`).

Those below the offset, and not counted at an earlier lane clock, that have one of the ids as event_id or amend it.
"""


class Settled(NamedTuple):
    """What counts once events are told from other versions of the same answers.

    replaced: for each event the offset of what does not count any more because of it, else null; its own where the
    event itself came too late. retracted: what leaves its panes, with the offset of the event because of which it does.
    """

    replaced: pl.Series
    retracted: pl.DataFrame


@dataclass(frozen=True)
class _Version:
    """A version that was counted when it came. frame, row: where its values stand."""

    offset: int
    clock: int
    occurred_at: int
    frame: pl.DataFrame
    row: int


def no_versions(*_: object) -> pa.Table:
    """A VersionLoader of a lane that has nothing in the tables."""
    return pa.table({})


class AnswerVersions:
    """Settles in one lane which versions of answers count.

    in_tables_below: up to which offset events are in the tables, and acknowledged.
    """

    def __init__(self, in_tables_below: int, load: VersionLoader) -> None:
        self._load = load
        self._in_tables_below = in_tables_below
        self._recent: list[pl.DataFrame] = []
        self._amended = HashIndex()
        self._clocks: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._amended)

    def load(self, events: pl.DataFrame, clocks: npt.NDArray[np.int64]) -> None:
        """Take over amendments that were counted before, in offset order: columns of identities, and amends."""
        names = _names(events)
        self._remember(*_hashes(names), clocks)

    def acknowledged(self, below_offset: int, clock_ms: int) -> None:
        """Events below an offset are in the tables. Forget amendments of long before a lane clock (ms), at times."""
        self._in_tables_below = below_offset
        self._recent = [frame for frame in self._recent if frame["log_offset"][-1] >= below_offset]
        stay = self._clocks[: len(self)] >= clock_ms - REMEMBERED_MS
        if np.count_nonzero(stay) * 2 < len(self):
            self._clocks = self._clocks[: len(self)][stay]
            self._amended.keep(stay)

    def settle(self, events: pl.DataFrame, reach_ms: int) -> Settled:
        """Settle counted events, in offset order, with their journey, stage and segment.

        reach_ms: versions that were counted earlier by more than this, by the lane clock, are out of reach; 0: all are.
        """
        if not events.height:
            return Settled(_offsets(np.empty(0, np.int64)), _retracted(events, []))
        among = self._versions_among(events)
        self._recent.append(events.select(_VERSION).with_columns(pl.lit(None, pl.UInt64).alias("replaced")))
        replaced = np.full(events.height, -1, np.int64)
        retracted: list[tuple[int, _Version]] = []
        if len(among.rows):
            retracted = self._settle(events, among, reach_ms, replaced)
            self._recent[-1] = self._recent[-1].with_columns(_offsets(replaced))
        return Settled(_offsets(replaced), _retracted(events, retracted))

    def _versions_among(self, events: pl.DataFrame) -> "_Among":
        """Which events may be versions of an answer that is amended; some may turn out not to be."""
        amending = (events["amends"] != "").to_numpy()
        if not amending.any() and not len(self):
            return _Among(np.empty(0, np.int64), events, [])
        names = _names(events)
        high, low = _hashes(names)
        known = self._amended.find(high, low) != ABSENT
        if amending.any():
            known |= names.is_in(names.filter(pl.Series(amending)).implode()).to_numpy()
        rows = np.flatnonzero(known | amending)
        return _Among(rows, events[rows], names[rows].to_list())

    def _settle(
        self, events: pl.DataFrame, among: "_Among", reach_ms: int, replaced: npt.NDArray[np.int64]
    ) -> list[tuple[int, _Version]]:
        counting = self._counting(among, reach_ms) if reach_ms else {}
        retracted: list[tuple[int, _Version]] = []
        high, low = _hashes(pl.Series(among.names, dtype=pl.Binary))
        offsets, clocks, times, amends = (
            among.events[name].to_list() for name in ("log_offset", "lane_clock", "occurred_at", "amends")
        )
        for at, name in enumerate(among.names):
            one = slice(at, at + 1)
            came = _Version(offsets[at], clocks[at], times[at], events, int(among.rows[at]))
            is_one = amends[at] or self._is_amended(high[one], low[one], clocks[at] - reach_ms)
            before = counting.get(name) if is_one else None
            if amends[at]:
                self._remember(high[one], low[one], np.array([clocks[at]]))
            if before is None or not reach_ms or before.clock < came.clock - reach_ms:
                counting[name] = came
            elif came.occurred_at >= before.occurred_at:
                replaced[came.row] = before.offset
                retracted.append((came.offset, before))
                counting[name] = came
            else:
                replaced[came.row] = came.offset
        return retracted

    def _counting(self, among: "_Among", reach_ms: int) -> dict[bytes, _Version]:
        """What counts of each answer before these events: the last version that counted when it came."""
        event_ids = among.events.select(_answer_id()).to_series().unique(maintain_order=True).to_list()
        since_ms = int(among.events["lane_clock"].min()) - reach_ms  # type: ignore[arg-type]
        kept = self._load(event_ids, self._in_tables_below, since_ms)
        frames = [_of_table(kept)] if kept.num_rows else []
        wanted = pl.col("event_id").is_in(event_ids) | pl.col("amends").is_in(event_ids)
        frames += [found for frame in self._recent[:-1] if (found := frame.filter(wanted)).height]
        counting: dict[bytes, _Version] = {}
        for frame in frames:
            rows = frame.select("log_offset", "lane_clock", "occurred_at", "replaced").rows()
            for at, (name, (offset, clock, occurred_at, replaced)) in enumerate(zip(_names(frame), rows, strict=True)):
                if replaced != offset:
                    counting[name] = _Version(offset, clock, occurred_at, frame, at)
        return counting

    def _is_amended(self, high: Keys, low: Keys, since_ms: int) -> bool:
        (row,) = self._amended.find(high, low)
        return bool(row != ABSENT and self._clocks[row] >= since_ms)

    def _remember(self, high: Keys, low: Keys, clocks: npt.NDArray[np.int64]) -> None:
        """An answer may come again; the last time stands."""
        last = dict(zip(zip(high.tolist(), low.tolist(), strict=True), clocks.tolist(), strict=True))
        if not last:
            return
        keys = np.array([*last], np.uint64)
        rows: Rows = self._amended.insert(np.ascontiguousarray(keys[:, 0]), np.ascontiguousarray(keys[:, 1]))
        if len(self) > len(self._clocks):
            self._clocks = resized(self._clocks, max(1024, len(self) * 3 // 2))
        self._clocks[rows] = [*last.values()]


@dataclass(frozen=True)
class _Among:
    """Events of a batch that may be versions. rows: where they stand in it; names: of their answers."""

    rows: npt.NDArray[np.int64]
    events: pl.DataFrame
    names: list[bytes]


def _answer_id() -> pl.Expr:
    return pl.when(pl.col("amends") == "").then("event_id").otherwise("amends").alias("event_id")


def _names(events: pl.DataFrame) -> pl.Series:
    """Which answer each event is a version of."""
    return identities(events.select(*_IDENTITY, _answer_id()))


def _hashes(names: Iterable[bytes]) -> tuple[Keys, Keys]:
    digests = b"".join(xxhash.xxh3_128_digest(name) for name in names)
    pairs = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _offsets(replaced: npt.NDArray[np.int64]) -> pl.Series:
    found = pl.Series("replaced", replaced)
    return found.set(found < 0, None).cast(pl.UInt64)


def _of_table(rows: pa.Table) -> pl.DataFrame:
    """Rows of `touchpoints` by offset, times in milliseconds."""
    for name in _INSTANTS:
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.int64()))
    return pl.DataFrame(pl.from_arrow(rows)).sort("log_offset")


def _retracted(events: pl.DataFrame, retracted: Sequence[tuple[int, _Version]]) -> pl.DataFrame:
    columns = {name: events.schema[name] for name in ("log_offset", *_COUNTED)}
    rows: list[dict[str, Any]] = [
        version.frame.select(_COUNTED).row(version.row, named=True) | {"log_offset": offset}
        for offset, version in retracted
    ]
    return pl.DataFrame(rows, schema=columns)
