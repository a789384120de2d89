"""The rules of `schemas.validity` over a batch in columns."""

from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchstream.schemas.touchpoint import Refusal
from touchstream.schemas.validity import AROUND, OPTIONAL_TEXTS, RECORD_AT, WORDS, refusal, rules
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds

_RULE: Final = "rule"
_ANY_EMPTY: Final = pl.any_horizontal((pl.col(name) == "").any() for name in OPTIONAL_TEXTS)
_AS_READ: Final = [pl.col(name).str.strip_chars(AROUND).str.to_lowercase() for name in WORDS]


@lru_cache(maxsize=8)
def _first_broken(void_ids: VoidIds) -> pl.Expr:
    """The place of the first broken rule in the list, or null. Put together once: for few rows that takes longer than
    evaluating it.
    """
    broken = (pl.when(rule.in_columns(pl)).then(pl.lit(number)) for number, rule in enumerate(rules(void_ids)))
    return pl.coalesce(broken).alias(_RULE)


def refusals(
    frame: pl.DataFrame, record_at_ms: pl.Series | NDArray[np.int64], void_ids: VoidIds = DEFAULT_VOID_IDS
) -> tuple[pl.DataFrame, list[Refusal]]:
    """Parts a decoded frame (`schemas.columns.COLUMNS`) into the rows that can be used and the refusals of the others.

    `record_at_ms` holds the timestamp of each record of the *batch*, in milliseconds: a row's own is at its `position`.
    The rows that are returned are canonical: an empty optional text is null, action and outcome are in lower case.
    """
    at = np.asarray(record_at_ms, dtype=np.int64)[frame["position"].to_numpy()]
    rows = frame.with_columns(*_AS_READ, pl.Series(RECORD_AT, at))
    if rows.select(_ANY_EMPTY).item():
        rows = rows.with_columns(pl.col(OPTIONAL_TEXTS).replace("", None))
    broken = rows.select(_first_broken(void_ids)).to_series()
    kept = broken.is_null()
    if kept.all():
        return rows.drop(RECORD_AT), []
    return rows.filter(kept).drop(RECORD_AT), _refused(frame.with_columns(broken).filter(~kept), void_ids)


def _refused(rows: pl.DataFrame, void_ids: VoidIds) -> list[Refusal]:
    """Rows as they were sent, with the number of the first rule that each breaks."""
    listed = rules(void_ids)
    broken = [(listed[row[_RULE]], row) for row in rows.iter_rows(named=True)]
    return [refusal(rule, row["position"], row[rule.field]) for rule, row in broken]
