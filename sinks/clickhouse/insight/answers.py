"""Answers of people to a target and to what may drive it, as a matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, Cut
from touchstream.sinks.clickhouse.sql import query_text

PEOPLE_MAX: Final = 50_000
"""Most people that are read: of more, one in so many. A correlation is then known to 0.005."""
ITEMS_MAX: Final = 64
"""Most drivers that are offered, those with the most people: names come from events, and there may be a million."""
PLACES: Final = ("touchpoint", "stage", "channel")
"""By what answers are told apart."""
SIDES: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "nps": {"unhappy": (0, 6), "happy": (9, 10)},
    "csat": {"unhappy": (1, 2), "happy": (4, 5)},
    "ces": {"unhappy": (1, 3), "happy": (5, 7)},
}
"""Instruments, and which of their answers are those of the unhappy and of the happy, the bounds included."""


@dataclass(frozen=True)
class DriverQuestion:
    """Whose answers to what: see driver_answers.sql. side: only whether a person is one of them; milliseconds, UTC."""

    target: str
    target_at: tuple[str, ...]
    by: str
    answers: str
    side: str | None
    from_ms: int | None
    to_ms: int | None
    where: Mapping[str, str]

    def parameters(self) -> dict[str, Any]:
        """The parameters that all texts share. Raises IntervalError for an empty interval."""
        cut = Cut.of(self.from_ms, self.to_ms)
        filters = {f"{name}s": [self.where[name]] if name in self.where else [] for name in DIMENSIONS}
        asked = {"target": self.target, "target_at": list(self.target_at), "by": self.by, "answers": self.answers}
        return {"raw_from": cut.raw_from, "raw_to": cut.raw_to, **filters, **asked}


@dataclass(frozen=True)
class DriverAnswers:
    """What was answered: `matrix`, shape (people, 1 + items), the target first, NaN where there is no answer.

    items: names of the drivers, those with the most people first; items_in_all counts those beyond ITEMS_MAX as well.
    one_in: one in so many people was read.
    """

    items: tuple[str, ...]
    items_in_all: int
    one_in: int
    matrix: NDArray[np.float64]


def driver_answers(client: Client, question: DriverQuestion) -> DriverAnswers:
    """The answers that a question is about. Raises ValueError where there are none, and IntervalError as `Cut.of`."""
    asked = question.parameters()
    found = client.query(query_text("driver_items"), asked | {"most": ITEMS_MAX}).result_rows
    if not found:
        at = f" at {' or '.join(map(repr, question.target_at))}" if question.target_at else ""
        raise ValueError(
            f"no person answered {question.target}{at} and {question.answers} at another {question.by} in this time"
        )
    items = tuple(str(item) for item, _, _ in found)
    one_in = -(-_people(client, asked) // PEOPLE_MAX)
    low, high = SIDES[question.target][question.side] if question.side else (0, 0)
    asked |= {"items": list(items), "one_in": one_in, "shares": question.side is not None}
    rows = client.query_arrow(query_text("driver_matrix"), asked | {"lowest": low, "highest": high})
    target = rows["target_score"].to_numpy().astype(np.float64)
    scores = rows["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(target), len(items))
    return DriverAnswers(items, int(found[0][2]), one_in, np.column_stack([target, scores.astype(np.float64)]))


def _people(client: Client, asked: Mapping[str, Any]) -> int:
    return int(client.query(query_text("driver_people"), dict(asked)).result_rows[0][0])
