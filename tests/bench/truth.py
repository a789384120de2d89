"""What must come out, by NumPy from the columns that the events were made of: nothing here has read an event."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from tests.bench.events import ACTIONS, CURRENCIES, LATENESS_MS, OUTCOMES, PLACES, SEGMENTS, Events, Integers

Sums = Mapping[str, Mapping[str, int]]
"""Measure to its whole-number sum, by stage."""

PANE_MS: Final = 10_000
ANSWERS: Final = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}

_STAGES: Final = tuple(dict.fromkeys(stage for stage, _, _ in PLACES))


class WrongError(AssertionError):
    """A contestant has other numbers than the events: its time counts for nothing."""


def sums(events: Events) -> dict[str, dict[str, int]]:
    """Every measure that panes add up, by stage."""
    stage = np.asarray([_STAGES.index(stage) for stage, _, _ in PLACES])[events.place]
    measures = {name: _by_stage(stage, values) for name, values in _measures(events).items()}
    return {
        name: {measure: int(by_stage[code]) for measure, by_stage in measures.items()}
        for code, name in enumerate(_STAGES)
    }


def customers(events: Events) -> int:
    """How many different ones."""
    return len(np.unique(events.customer))


def pane_customers(events: Events) -> int:
    """The different customers of each pane of ten seconds, stage, channel, touchpoint and segment, added up."""
    pane = (events.occurred_at // PANE_MS * len(PLACES) + events.place) * len(SEGMENTS) + events.segment
    return int(np.unique(np.stack([pane, events.customer]), axis=1).shape[1])


def require_equal(who: str, what: str, found: object, expected: object) -> None:
    """Raises WrongError with the first difference."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for name in [*expected, *(name for name in found if name not in expected)]:
            require_equal(who, f"{what}.{name}", found.get(name), expected.get(name))
    elif found != expected:
        raise WrongError(f"{who}: {what} is {found}, and the events say {expected}")


def _measures(events: Events) -> dict[str, npt.NDArray[np.float64]]:
    """For each event what it adds: whole numbers below 2^53, exact in a float."""
    given = events.duration_ms >= 0
    measures: dict[str, npt.NDArray[np.generic]] = {
        "touches": np.ones(len(events)),
        "late": events.occurred_at < events.record_at - LATENESS_MS,
        **{name: events.outcome == code for code, name in enumerate(OUTCOMES)},
        "purchases": events.action == ACTIONS.index("purchase"),
        "duration_n": given,
        "duration_sum_ms": np.where(given, events.duration_ms, 0),
        "sentiment_n": ~np.isnan(events.sentiment_micro),
        "sentiment_sum_micro": np.nan_to_num(events.sentiment_micro),
    }
    answers: dict[str, Integers] = {"nps": events.nps, "csat": events.csat, "ces": events.ces}
    for instrument, scale in ANSWERS.items():
        measures |= {f"{instrument}_{answer}": answers[instrument] == answer for answer in scale}
    for code, currency in enumerate(CURRENCIES):
        measures[f"revenue_{currency}"] = np.where(events.currency == code, np.nan_to_num(events.revenue_minor), 0)
    return {name: values.astype(np.float64) for name, values in measures.items()}


def _by_stage(stage: Integers, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.bincount(stage, values, len(_STAGES)).astype(np.float64)
