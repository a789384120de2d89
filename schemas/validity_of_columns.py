"""The rules of `schemas.validity` over a batch in columns."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchstream.schemas.scales import BUILT_IN_IDS, Scales
from touchstream.schemas.touchpoint import Refusal
from touchstream.schemas.validity import AROUND, OPTIONAL_TEXTS, RECORD_AT, WORDS, ValidityRule, refusal, rules
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds

_RULE: Final = "rule"
_ANY_EMPTY: Final = pl.any_horizontal((pl.col(name) == "").any() for name in OPTIONAL_TEXTS)
_AS_READ: Final = [pl.col(name).str.strip_chars(AROUND).str.to_lowercase() for name in WORDS]


_ANSWERED: Final = pl.any_horizontal(pl.col("instrument", "score").is_not_null().any())
_FOLDED: Final = [
    pl.when(pl.col("instrument") == name)
    .then(pl.col("score").round().cast(pl.Int32, strict=False))
    .otherwise(name)
    .alias(name)
    for name in BUILT_IN_IDS
]


@lru_cache(maxsize=16)
def _first_broken(void_ids: VoidIds, scales: Scales | None, *, answered: bool) -> pl.Expr:
    """The place of the first broken rule in the list, or null. Put together once: for few rows that takes longer than
    evaluating it.
    """
    listed = rules(void_ids, scales, answered=answered)
    broken = (pl.when(rule.in_columns(pl)).then(pl.lit(number)) for number, rule in enumerate(listed))
    return pl.coalesce(broken).alias(_RULE)


def refusals(
    frame: pl.DataFrame,
    record_at_ms: pl.Series | NDArray[np.int64],
    void_ids: VoidIds = DEFAULT_VOID_IDS,
    scales: Scales | None = None,
) -> tuple[pl.DataFrame, list[Refusal]]:
    """Parts a decoded frame (`schemas.columns.COLUMNS`) into the rows that can be used and the refusals of the others.

    `record_at_ms` holds the timestamp of each record of the *batch*, in milliseconds: a row's own is at its `position`.
    The rows that are returned are canonical, as `schemas.validity.canonical` has it. scales: as in `rules` there.
    """
    at = np.asarray(record_at_ms, dtype=np.int64)[frame["position"].to_numpy()]
    rows = frame.with_columns(*_AS_READ, pl.Series(RECORD_AT, at))
    if rows.select(_ANY_EMPTY).item():
        rows = rows.with_columns(pl.col(OPTIONAL_TEXTS).replace("", None))
    answered = bool(rows.select(_ANSWERED).item()) if rows.height else False
    broken = rows.select(_first_broken(void_ids, scales, answered=answered)).to_series()
    kept = broken.is_null()
    usable = (rows if kept.all() else rows.filter(kept)).drop(RECORD_AT)
    if answered:
        usable = _folded(usable)
    if usable.height == rows.height:
        return usable, []
    listed = rules(void_ids, scales, answered=answered)
    return usable, _refused(frame.with_columns(broken).filter(~kept), listed)


def _folded(rows: pl.DataFrame) -> pl.DataFrame:
    """The answers to instruments that have a field of their own, in that field."""
    folded = pl.col("instrument").is_in(BUILT_IN_IDS)
    return rows.with_columns(
        *_FOLDED,
        instrument=pl.when(~folded).then("instrument"),
        score=pl.when(~folded).then("score"),
    )


def _refused(rows: pl.DataFrame, listed: Sequence[ValidityRule]) -> list[Refusal]:
    """Rows as they were sent, with the number of the first rule that each breaks."""
    broken = [(listed[row[_RULE]], row) for row in rows.iter_rows(named=True)]
    return [refusal(rule, row["position"], row[rule.field]) for rule, row in broken]
