"""How much more a series varies than its distribution says: φ over an hour, and the design effect of answers."""

from dataclasses import dataclass
from math import erf, exp, pi, sqrt
from typing import Final, Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import Bools, Floats

MEMORY_HOURS: Final = 336
"""Two weeks of hours: φ is then known to ±8 %."""
_CAP: Final = 9.0  # squares beyond three standard deviations count as nine variances: an incident is no noise
_CAP_MEAN: Final = 1 - (2 * 3 * exp(-4.5) / sqrt(2 * pi) + 1 - erf(3 / sqrt(2))) + _CAP * (1 - erf(3 / sqrt(2)))


@dataclass
class Dispersion:
    """Running winsorised mean of squared standardised hourly residuals; shapes (series,).

    A mean of squares capped at three standard deviations (Huber), divided by what that mean is for a normal variable.
    """

    estimate: Floats
    hours: Floats

    @classmethod
    def unknown(cls, series: int) -> Self:
        """φ = 1, from no hour."""
        return cls(np.ones(series), np.zeros(series))

    def learn(self, squares: Floats, known: Bools) -> None:
        """Take the squared standardised residual of an hour, where `known`; in place."""
        self.hours += known
        weight = 1 / np.clip(self.hours, 1, MEMORY_HOURS)
        capped = np.minimum(squares, _CAP * self.estimate) / _CAP_MEAN
        self.estimate = np.where(known, self.estimate + weight * (capped - self.estimate), self.estimate)

    @property
    def phi(self) -> Floats:
        """φ, at least 1."""
        return np.maximum(self.estimate, 1.0)


def design_effect(sums: Floats, counts: Floats, variance: float) -> float:
    """How many answers weigh as one independent one: at least 1, 1 where everybody answered once.

    sums, counts: of each person's answers, shapes (people,). variance: of one answer. Linearised variance of a ratio
    over clusters, G/(G−1) · Σ(s − m·k)² ÷ (Σk)² (Cochran, Sampling Techniques, 6.4), divided by that of as many
    independent answers. Raises ValueError for fewer than two people.
    """
    people, answers = len(counts), float(counts.sum())
    if people < 2:
        raise ValueError(f"{people} people have no design effect: at least 2 are needed")
    if variance <= 0:
        return 1.0
    mean = float(sums.sum()) / answers
    clustered = people / (people - 1) * float(((sums - mean * counts) ** 2).sum()) / answers**2
    return max(1.0, clustered / (variance / max(answers - 1, 1)))
