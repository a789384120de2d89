"""What a pane measures: from the events of a batch to one row of integer sums for each pane that they touch.

Everything is a sum of integers, so that the order of events and the cuts between batches leave no trace.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from touchstream.schemas.touchpoint import DURATION_MS_MAX

SCALES: Final = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}
"""Survey instruments and their answers."""

COUNTS: Final = (
    "touches",
    "duplicates",
    "conflicting",
    "late",
    "success",
    "failure",
    "abandoned",
    "purchases",
    "duration_n",
    "duration_sum_ms",
    "sentiment_n",
    "sentiment_sum_micro",
)
"""Pane measures that are one number; the columns of `SUMS` begin with them."""

_COUNTED: Final = pl.col("counted")


def _sums() -> dict[str, pl.Expr]:
    sums = {
        "touches": _COUNTED.sum(),
        "duplicates": (~_COUNTED).sum(),
        "conflicting": pl.col("conflicting").sum(),
        "late": pl.col("late").sum(),
        **{outcome: (pl.col("outcome") == outcome).sum() for outcome in ("success", "failure", "abandoned")},
        "purchases": (pl.col("action") == "purchase").sum(),
        "duration_n": pl.col("duration_ms").count(),
        "duration_sum_ms": pl.col("duration_ms").sum(),
        "sentiment_n": pl.col("sentiment_micro").count(),
        "sentiment_sum_micro": pl.col("sentiment_micro").sum(),
    }
    for instrument, answers in SCALES.items():
        sums |= {f"{instrument}_{answer}": (pl.col(instrument) == answer).sum() for answer in answers}
    return {name: sum_.cast(pl.Int64) for name, sum_ in sums.items()}


SUMS: Final = _sums()
"""Measure to its sum over events, in the column order of a pane's row of sums."""

MEASURED: Final = (
    "late",
    "action",
    "outcome",
    "duration_ms",
    "sentiment_micro",
    "nps",
    "csat",
    "ces",
    "revenue_minor",
    "currency",
)
"""Columns of events that measures read; a duplicate's are emptied."""

_SKETCH_BOUNDS: Final = np.array(
    # Bucket k of a DDSketch (Masson, Rim, Lee 2019) of 1 % relative accuracy holds γ^(k-1) < ms ≤ γ^k with
    # γ = 1.01/0.99. Bounds in whole milliseconds, from exact integers: every machine agrees on every bucket.
    [101**k // 99**k for k in range(1400) if 101**k // 99**k <= 2 * DURATION_MS_MAX],
    np.int64,
)

ZERO_MS_BUCKET: Final = -1


def sketch_buckets(duration_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The DDSketch bucket of each duration: ceil(log_γ(ms)) for ms ≥ 1, ZERO_MS_BUCKET for 0."""
    buckets = np.searchsorted(_SKETCH_BOUNDS, duration_ms, side="left").astype(np.int64)
    buckets[duration_ms == 0] = ZERO_MS_BUCKET
    return buckets


def sentiment_micro(sentiment: pl.Series) -> pl.Series:
    """Sentiment in −1…1 as integer millionths, halves to even; null stays null."""
    micro = np.rint(sentiment.fill_null(0.0).to_numpy() * 1e6).astype(np.int64)
    return pl.Series("sentiment_micro", micro).set(sentiment.is_null(), None)
