"""What a pane measures: from the events of a batch to one row of integer sums for each pane that they touch.

Everything is a sum of integers, so that the order of events and the cuts between batches leave no trace.
"""

from functools import reduce
from operator import and_
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from touchstream.schemas.measures import Measure
from touchstream.schemas.metrics import shipped
from touchstream.schemas.touchpoint import DURATION_MS_MAX, MICRO, NUMBER_COLUMNS

MEASURES: Final = shipped().measures
"""What a pane keeps, in the order of its columns."""

COUNTS: Final = tuple(one.name for one in MEASURES if one.kind in ("count", "sum"))
"""Pane measures that are one number; the columns of `SUMS` begin with them."""
HISTOGRAMS: Final = tuple(one for one in MEASURES if one.kind == "histogram")
SKETCHES: Final = tuple(one for one in MEASURES if one.kind == "sketch")
BY_CURRENCY: Final = tuple(one for one in MEASURES if one.kind == "sum_by_currency")
ANSWERS: Final = tuple(one for one in MEASURES if one.kind == "answers")

MEASURED: Final = ("late", "action", "outcome", *NUMBER_COLUMNS, "currency", "instrument")
"""Columns of events that measures read; a duplicate's are emptied."""


def fulfilled(measure: Measure) -> pl.Expr:
    """Whether an event is one of those that a measure is made of."""
    conditions = [
        pl.col(column) == value if isinstance(value, str) else pl.col(column) if value else ~pl.col(column)
        for column, value in measure.where.items()
    ]
    return reduce(and_, conditions) if conditions else pl.lit(value=True)


def _sum(measure: Measure) -> pl.Expr:
    """A count or a sum over events."""
    if measure.field is None:
        return fulfilled(measure).sum()
    values = pl.col(measure.column).filter(fulfilled(measure)) if measure.where else pl.col(measure.column)
    return values.count() if measure.kind == "count" else values.sum()


def _sums() -> dict[str, pl.Expr]:
    sums = {one.name: _sum(one) for one in MEASURES if one.name in COUNTS}
    for one in HISTOGRAMS:
        sums |= {f"{one.name}_{answer}": (pl.col(one.column) == answer).sum() for answer in one.answers}
    return {name: sum_.cast(pl.Int64) for name, sum_ in sums.items()}


SUMS: Final = _sums()
"""Measure to its sum over events, in the column order of a pane's row of sums; of a histogram each answer."""

_SKETCH_BOUNDS: Final = np.array(
    # Bucket k of a DDSketch (Masson, Rim, Lee 2019) of 1 % relative accuracy holds γ^(k-1) < value ≤ γ^k
    # with γ = 1.01/0.99. Bounds in whole numbers, from exact integers: every machine agrees on every bucket.
    [101**k // 99**k for k in range(1400) if 101**k // 99**k <= 2 * DURATION_MS_MAX],
    np.int64,
)

ZERO_BUCKET: Final = -1


def sketch_buckets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The DDSketch bucket of each value, such as milliseconds: ceil(log_γ(value)) from 1 on, ZERO_BUCKET for 0."""
    buckets = np.searchsorted(_SKETCH_BOUNDS, values, side="left").astype(np.int64)
    buckets[values == 0] = ZERO_BUCKET
    return buckets


def millionths(values: pl.Series) -> pl.Series:
    """Fractions as integer millionths, halves to even; null stays null."""
    micro = np.rint(values.fill_null(0.0).to_numpy() * MICRO).astype(np.int64)
    return pl.Series(values.name, micro).set(values.is_null(), None)
