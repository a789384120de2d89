"""The content of an event beside its identity, as one number: tells a copy from another event under the same identity.

It holds what is measured: when, where, and with which values. Not the ids, which the identity has; not the attributes,
which an erasure empties; not stage and journey, which the definitions in force decide; not when and by whom it was
sent, which differ in an honest copy. All of it stands in `touchpoints` as the event brought it, so that a lane which is
taken over knows the same.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from touchstream.schemas.touchpoint import NUMBER_COLUMNS

NAMES: Final = ("channel", "touchpoint", "segment", "action", "outcome", "currency", "instrument")
NUMBERS: Final = ("occurred_at", *NUMBER_COLUMNS)

Contents = npt.NDArray[np.uint64]

_ABSENT: Final = np.iinfo(np.int64).min
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)


def contents(events: pl.DataFrame) -> Contents:
    """A 64-bit hash of each event's NAMES (texts, none of them null) and NUMBERS (null where there is none).

    Events that differ in one of them have different hashes, but for one pair in 2^64 by chance. The hash is stored
    nowhere: another version may take another function.
    """
    # Few combinations of names share many events: each is hashed once.
    names = events.select(pl.concat_str(NAMES, separator="\x1f").alias("names"))
    known = names.unique()
    digests = [xxhash.xxh3_64_intdigest(name) for name in known["names"].cast(pl.Binary)]
    hashed = known.with_columns(digest=pl.Series(digests, dtype=pl.UInt64))
    mixed = names.join(hashed, on="names", how="left", maintain_order="left")["digest"].to_numpy()
    for name in NUMBERS:
        numbers = events[name].cast(pl.Int64).fill_null(_ABSENT).to_numpy().view(np.uint64)
        mixed = (mixed ^ numbers) * _MULTIPLIER
        mixed ^= mixed >> _HALF
    return mixed
