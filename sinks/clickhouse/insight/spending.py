"""What people spent after and before an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from touchstream.sinks.clickhouse.customers.clv import bought
from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, Cut, lanes
from touchstream.sinks.clickhouse.sql import query_text

SPENDING_PEOPLE_MAX: Final = 200_000
"""Most people that are read, 10 MB: of more, one in so many."""


@dataclass(frozen=True)
class SpendingQuestion:
    """Answers to the instrument `score` in [from_ms, to_ms) (milliseconds, UTC), and the `days` after and before."""

    score: str
    days: int
    currency: str | None
    from_ms: int | None
    to_ms: int | None
    where: Mapping[str, str]


@dataclass(frozen=True)
class SpendingRead:
    """A row of each person: columns, shape (people, 5): score, after, before, returned (minor units), tenure in days.

    young: people who answered too short a time ago. known_ms: up to when all is known. one_in: as it was read.
    """

    currency: str
    known_ms: int
    young: int
    one_in: int
    columns: NDArray[np.float64]
    segments: tuple[str, ...]


def spending_rows(client: Client, question: SpendingQuestion, topic: str) -> SpendingRead:
    """What the people of a question spent. Raises ClvError as `clv.bought`; IntervalError; ValueError without lanes."""
    written = lanes(client, topic)
    if not written:
        raise ValueError("nothing has been measured yet")
    known_ms = min(lane.watermark_ms for lane in written)
    cut = Cut.of(question.from_ms, question.to_ms)
    filters = {f"{name}s": [question.where[name]] if name in question.where else [] for name in DIMENSIONS}
    currency = bought(client, question.currency).currency
    asked: dict[str, Any] = {"raw_from": cut.raw_from, "raw_to": cut.raw_to, **filters, "score": question.score}
    asked |= {"span_ms": question.days * 86_400_000, "known_ms": known_ms, "currency": currency}
    people, young = client.query(query_text("spending_people"), asked).result_rows[0]
    one_in = max(1, -(-people // SPENDING_PEOPLE_MAX))
    rows = client.query_arrow(query_text("spending_rows"), asked | {"one_in": one_in})
    names = ("score", "after", "before", "returned", "tenure_days")
    columns = np.column_stack([rows[name].to_numpy().astype(np.float64) for name in names])
    segments = tuple(str(name) for name in rows["newest_segment"].cast("string").to_pylist())
    return SpendingRead(currency, known_ms, young, one_in, columns, segments)
