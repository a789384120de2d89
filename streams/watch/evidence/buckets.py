"""Buckets: disjoint spans of five minutes, and the slot of the local week that each is in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers; the last axis is the series, unless a docstring says otherwise."""
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BUCKET_MS: Final = 300_000
"""The length of a bucket: that of the middle panes."""
BUCKETS_PER_HOUR: Final = 3_600_000 // BUCKET_MS
BUCKETS_PER_DAY: Final = 24 * BUCKETS_PER_HOUR
BUCKETS_PER_WEEK: Final = 7 * BUCKETS_PER_DAY
_MONDAY: Final = datetime(1970, 1, 5).toordinal()  # noqa: DTZ001 a date of the local calendar, without an instant


@dataclass(frozen=True)
class Moment:
    """Which bucket it is.

    number: buckets since 1970, UTC. week: weeks of the local calendar since Monday 5 January 1970.
    slot: 0 ≤ slot < 2,016, buckets since Monday 00:00 of the local week.
    """

    number: int
    week: int
    slot: int


def moment(start_ms: int, zone: ZoneInfo) -> Moment:
    """The bucket that starts at `start_ms` (milliseconds since 1970) in the local week of `zone`.

    In the hour that a change of the clock repeats, two buckets have one slot; a skipped hour has none.
    Raises ValueError where no bucket starts there.
    """
    if start_ms % BUCKET_MS:
        raise ValueError(f"{start_ms} ms is no start of a bucket: buckets start at multiples of {BUCKET_MS} ms")
    local = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(zone)
    minute = (local.weekday() * 24 + local.hour) * 60 + local.minute
    return Moment(start_ms // BUCKET_MS, (local.toordinal() - _MONDAY) // 7, minute * 60_000 // BUCKET_MS)


def moment_of(number: int) -> Moment:
    """Bucket `number`, counted from a Monday 00:00, in a zone whose clock never changes."""
    return Moment(number, number // BUCKETS_PER_WEEK, number % BUCKETS_PER_WEEK)
