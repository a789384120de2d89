"""What a rule by evidence can see in the traffic of a group: said before anything drops."""

from dataclasses import dataclass
from math import isinf, sqrt
from typing import Final

import numpy as np

from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.power import (
    Answers,
    Change,
    answer_power,
    count_power,
    smallest_answer_change,
    smallest_count_change,
)

REFERENCE_SPANS: Final = 56
"""A reference of 14 days is some 56 spans of six hours: how well the mean is known that answers are held against."""


@dataclass(frozen=True)
class Sight:
    """expected: events or answers within the rule's span. power: how likely its effect is found if it lasts as long.

    smallest: the smallest change that is found with 90 %, in the rule's unit; None where none is.
    """

    expected: float
    power: float
    smallest: float | None


def sight_of_count(effect: Effect, h: float, expected: float, spread: float = 1.0) -> Sight:
    """For a count; spread: variance of a count about its baseline ÷ mean."""
    power = count_power(effect, h, expected, spread, Change(effect.size, effect.within))
    smallest = smallest_count_change(effect, h, expected, spread)
    return Sight(expected, power, None if isinf(smallest) else smallest)


def sight_of_answers(
    effect: Effect, h: float, values: tuple[float, ...], counts: tuple[float, ...], expected: float
) -> Sight:
    """For answers: how they are spread over bins that are worth `values`, and how many are expected within the span."""
    shares = np.array(counts) / max(sum(counts), 1)
    mean = float(shares @ np.array(values))
    deviation = sqrt(float(shares @ (np.array(values) - mean) ** 2))
    slack = deviation / sqrt(max(REFERENCE_SPANS * expected, 1))
    answers = Answers(expected, deviation, slack=slack)
    power = answer_power(effect, h, answers, Change(effect.size, effect.within))
    smallest = smallest_answer_change(effect, h, answers)
    return Sight(expected, power, None if isinf(smallest) else smallest)
