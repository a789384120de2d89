"""A metric of places before and after a date: sums over people, and its course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, Cut
from touchstream.sinks.clickhouse.sql import query_text

PLACES_MAX: Final = 1_000
"""Most places that are read, those with the most people."""
METRICS: Final[Mapping[str, str]] = {
    "nps": "points",
    "csat": "percentage points",
    "csat_mean": "of 1 to 5",
    "ces": "of 1 to 7",
    "success_rate": "percentage points",
}
"""Metrics that are means over touches, and the units of their changes."""
_SUMS: Final = (
    "people_b", "people_a", "sum_kb", "sum_ka", "sum_sb", "sum_sa", "sb_sb", "sb_kb", "kb_kb", "sa_sa", "sa_ka",
    "ka_ka", "sb_sa", "sb_ka", "sa_kb", "kb_ka",
)  # fmt: skip
_PEOPLE: Final = ("people_b", "people_a", "mean_b", "mean_a", "variance_b", "variance_a")


@dataclass(frozen=True)
class PlaceQuestion:
    """A metric by place in [from_ms, before_to_ms) and [after_from_ms, to_ms) (milliseconds, UTC).

    by: a dimension, or none for one place, ''. named: the changed places.
    """

    metric: str
    by: str
    named: tuple[str, ...]
    from_ms: int
    before_to_ms: int
    after_from_ms: int
    to_ms: int
    where: Mapping[str, str]

    def before_only(self) -> "PlaceQuestion":
        """The time before by itself, split in its middle."""
        middle = (self.from_ms + self.before_to_ms) // 2
        return replace(self, to_ms=self.before_to_ms, before_to_ms=middle, after_from_ms=middle)

    def parameters(self) -> dict[str, Any]:
        """The parameters that all texts share. Raises IntervalError for an empty interval."""
        cut = Cut.of(self.from_ms, self.to_ms)
        filters = {f"{name}s": [self.where[name]] if name in self.where else [] for name in DIMENSIONS}
        asked = {"metric": self.metric, "by": self.by, "named": list(self.named)}
        return {"raw_from": cut.raw_from, "raw_to": cut.raw_to, **filters, **asked}


@dataclass(frozen=True)
class PlacesRead:
    """What is known of each place.

    sums: shape (places, 16), the columns of `PlaceSums` in their order. people: shape (places, 6): people before and
    after, the mean of their own means in each, and its variances, NaN where one person or none is there.
    places_in_all counts those beyond PLACES_MAX as well.
    """

    names: tuple[str, ...]
    places_in_all: int
    sums: NDArray[np.float64]
    people: NDArray[np.float64]


@dataclass(frozen=True)
class PlaceSpan:
    """The mean of changed or unchanged places, of `people`, in the span of time from from_ms on."""

    from_ms: int
    changed: bool
    mean: float
    people: int


def places(client: Client, question: PlaceQuestion) -> PlacesRead:
    """Sums of the places, the named ones first. Raises IntervalError as `Cut.of`."""
    times = {"before_to": question.before_to_ms, "after_from": question.after_from_ms}
    asked = question.parameters() | times | {"most": PLACES_MAX}
    rows = list(client.query(query_text("place_sums"), asked).named_results())
    sums, people = (
        np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))
        for names in (_SUMS, _PEOPLE)
    )
    return PlacesRead(tuple(row["place"] for row in rows), rows[0]["places"] if rows else 0, sums, people)


def series(client: Client, question: PlaceQuestion, kept: Sequence[str], spans: int) -> list[PlaceSpan]:
    """The course of the `kept` places in about `spans` spans, the earliest first; one without values is missing."""
    span_ms = max(1, -(-(question.to_ms - question.from_ms) // spans))
    asked = question.parameters() | {"span_ms": span_ms, "places": list(kept)}
    rows = client.query(query_text("place_series"), asked).named_results()
    return [
        PlaceSpan(question.from_ms + row["span"] * span_ms, bool(row["changed"]), row["mean"], row["people"])
        for row in rows
    ]
