"""People who answer, drawn from a seed: how often each answers, and how alike the answers of a person are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.oracle.intervals import Numbers

ANSWERS_MAX: Final = 10
"""Most answers of a person."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Answers:
    """Standard normal values along (runs, people, ANSWERS_MAX), of which `given` says which were answered."""

    values: Numbers
    given: NDArray[np.bool_]


@dataclass(frozen=True)
class Told:
    """What is asked of values: each answer as a number, and the true mean."""

    answer: Callable[[Numbers], Numbers]
    mean: float


def once(chance: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
    """One answer each."""
    return np.ones(shape, np.int64)


def evenly(chance: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
    """1 to 10 answers, each number as often."""
    return chance.integers(1, ANSWERS_MAX + 1, shape)


def few_often(chance: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
    """One answer, but ten of every tenth person."""
    return np.where(chance.random(shape) < 0.1, ANSWERS_MAX, 1)


def _at_least_one(more: float, chance: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
    """One answer, and by Poisson's law `more` others."""
    return np.minimum(ANSWERS_MAX, 1 + chance.poisson(more, shape))


Often = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.int64]]
EXACT: Final[Mapping[str, Often]] = {"1": once, "1 to 10": evenly, "1, of a tenth 10": few_often}
"""How often a person answers within an interval."""
LIVE: Final[Mapping[str, tuple[Often, int]]] = {
    "1h": (partial(_at_least_one, 0.1), 7),
    "24h": (partial(_at_least_one, 0.5), 7),
    "28d": (partial(_at_least_one, 3.0), 1),
}
"""By window, how often a person answers in it, and of how many windows the design effect is measured.

Of the longest it is only that one itself; of the shortest there are really more."""


def drawn(chance: np.random.Generator, runs: int, people: int, often: Often, alike: float) -> Answers:
    """Answers of people. alike: correlation of two answers of a person, whatever is asked of them.

    An answer is with the probability √alike a person's habitual one, and else a new one.
    """
    shape = (runs, people, ANSWERS_MAX)
    values, habits = chance.standard_normal(shape), chance.standard_normal((runs, people, 1))
    values = np.where(chance.random(shape) < alike**0.5, habits, values)
    return Answers(values, np.arange(ANSWERS_MAX) < often(chance, (runs, people))[..., None])


def share(of: float) -> Told:
    """Successes with the probability `of`."""
    edge = _NORMAL.inv_cdf(1 - of)
    return Told(lambda values: (values > edge).astype(float), of)


def net_share(of: float) -> Told:
    """Promoters with the probability `of`; of the others half are detractors."""
    top, bottom = _NORMAL.inv_cdf(1 - of), _NORMAL.inv_cdf((1 - of) / 2)
    return Told(lambda values: (values > top).astype(float) - (values < bottom).astype(float), of - (1 - of) / 2)


def scale_mean(of: float) -> Told:
    """Answers 1 to 5, 1 more than a binomial of four with the probability `of`."""
    below = np.cumsum([(1 - of) ** 4, 4 * of * (1 - of) ** 3, 6 * of**2 * (1 - of) ** 2, 4 * of**3 * (1 - of)])
    edges = np.array([_NORMAL.inv_cdf(float(one)) for one in below])
    return Told(lambda values: 1 + np.searchsorted(edges, values).astype(float), 1 + 4 * of)


def amount(spread: float) -> Told:
    """Lognormal amounts; spread: standard deviation of their logarithm."""
    return Told(lambda values: np.exp(spread * values), float(np.exp(spread * spread / 2)))


def sums(answers: Answers, told: Told) -> tuple[Numbers, Numbers, Numbers]:
    """Each person's number of answers, their sum and the sum of their squares."""
    said = np.where(answers.given, told.answer(answers.values), 0)
    return answers.given.sum(-1).astype(float), said.sum(-1), (said * said).sum(-1)


def true_quantile(level: float) -> float:
    """For the values."""
    return _NORMAL.inv_cdf(level)
