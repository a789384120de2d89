"""Drivers of simulated people: four planted ones of falling strength, and two that have nothing to do with anything."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchstream.streams.insight.drivers.analysis import analyse
from touchstream.streams.insight.drivers.correlations import Moments
from touchstream.streams.insight.drivers.importance import lmg

Floats = NDArray[np.float64]

SLOPES: Final = np.array([0.5, 0.3, 0.2, 0.15, 0.0, 0.0])
PLANTED: Final = int((SLOPES > 0).sum())
MISSING: Final = 0.25
"""Share of answers to each driver that are not given."""


def survey(people: int, random: np.random.Generator) -> Floats:
    """Answers of 1 to 5, shape (people, 1 + drivers), the target first; planted drivers go together (r = 0.4)."""
    common = random.normal(size=(people, 1))
    drivers = np.sqrt(0.4) * common + np.sqrt(0.6) * random.normal(size=(people, len(SLOPES)))
    drivers[:, PLANTED:] = random.normal(size=(people, len(SLOPES) - PLANTED))
    target = drivers @ SLOPES + 0.7 * random.normal(size=people)
    answers = np.clip(np.round(3.5 + np.column_stack([target, drivers])), 1, 5)
    answers[:, 1:][random.random(drivers.shape) < MISSING] = np.nan
    return answers


@cache
def truth() -> tuple[float, ...]:
    """The parts of R² of two million people: by the correlations of all of them, known to 0.001."""
    random = np.random.default_rng(0)
    return tuple(lmg(Moments.of(survey(2_000_000, random), random).correlations()))


@dataclass(frozen=True)
class DriverOutcomes:
    """Shares of runs. covered: intervals that hold the truth, of each planted driver and, last, of R².

    found: planted drivers that are called drivers, each; false: runs in which any other one is.
    """

    runs: int
    covered: tuple[float, ...]
    found: tuple[float, ...]
    false: float


def simulate_drivers(runs: int, people: int, draws: int, seed: int) -> DriverOutcomes:
    """Analyse `runs` surveys of `people` each."""
    parts = np.array(truth())
    covered, found, false = np.zeros(PLANTED + 1), np.zeros(PLANTED), 0
    for run in range(runs):
        seen = analyse(survey(people, np.random.default_rng([seed, run])), draws)
        held = [one.part_low <= part <= one.part_high for one, part in zip(seen.drivers, parts, strict=True)]
        covered += [*held[:PLANTED], seen.r2_low <= parts.sum() <= seen.r2_high]
        found += [one.driver for one in seen.drivers[:PLANTED]]
        false += any(one.driver for one in seen.drivers[PLANTED:])
    return DriverOutcomes(runs, tuple((covered / runs).tolist()), tuple((found / runs).tolist()), false / runs)
