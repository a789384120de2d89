"""Drivers of a target: their parts of R² with intervals, and which of them are drivers at all."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from touchstream.streams.insight.drivers import importance
from touchstream.streams.insight.drivers.correlations import Floats, Moments, repaired, with_target_permuted

PAIRS_MIN: Final = 100
"""Least number of people with both of two answers: with 70, intervals of 95 % hold 88 to 92 %."""
PEOPLE_PER_DRIVER: Final = 10
"""Least number of people for each driver; R² by chance alone is then a tenth."""
LEVEL: Final = 0.05
"""A driver is one where its p is below this."""
_SEED: Final = 20_151_016
"""The same answers give the same intervals."""


class TooFewPeopleError(ValueError):
    """People are too few for any driver; the message says how many there are and how many are needed."""


@dataclass(frozen=True)
class DriverChoice:
    """Which of the offered drivers are used, and why others are not: `too_few_people`, `all_alike`, `beyond_16`."""

    used: tuple[int, ...]
    left_out: dict[int, str]


@dataclass(frozen=True)
class Driver:
    """One driver. n: people who answered it and the target.

    r: correlation with the target. part: what it gives to R² (LMG), and part_low to part_high its interval of 95 %;
    share: part ÷ R². johnson: relative weight. alone: R² of it by itself; last: what it adds to all others.
    p: how often the largest part of drivers that have nothing to do with the target is as large; driver: p < LEVEL.
    """

    at: int
    n: int
    r: float
    part: float
    part_low: float
    part_high: float
    share: float
    johnson: float
    alone: float
    last: float
    p: float
    driver: bool


@dataclass(frozen=True)
class Drivers:
    """What is found about `people` who answered the target: R², its interval of 95 %, and the drivers, as offered.

    pairs_min: people of the pair of answers with the fewest. repaired: by how much the correlation that changed most
    was changed to make the matrix positive definite, 0 where it was; draws_repaired: share of draws with such a change.
    """

    people: int
    pairs_min: int
    r2: float
    r2_low: float
    r2_high: float
    repaired: float
    draws: int
    draws_repaired: float
    drivers: tuple[Driver, ...]


def choose(answers: Floats) -> DriverChoice:
    """Drivers with enough people for every pair of answers, at most DRIVERS_MAX.

    answers: shape (people, 1 + drivers), the target first, NaN where there is none.
    """
    known = (~np.isnan(answers)).astype(np.float64)
    pairs = known.T @ known
    left_out: dict[int, str] = {}
    for driver in range(answers.shape[1] - 1):
        column = answers[:, 1 + driver]
        if pairs[0, 1 + driver] < PAIRS_MIN:
            left_out[driver] = "too_few_people"
        elif np.nanmin(column) == np.nanmax(column):
            left_out[driver] = "all_alike"
    used = [driver for driver in range(answers.shape[1] - 1) if driver not in left_out]
    while used:
        rows = np.array(used) + 1
        short = (pairs[np.ix_(rows, rows)] < PAIRS_MIN).sum(axis=1)
        few = len(used) > importance.DRIVERS_MAX
        if not (short.any() or few):
            break
        # The one in most of the pairs that are too few, or else with the fewest people.
        worst = min(range(len(used)), key=lambda at: (-short[at], pairs[0, rows[at]]))
        left_out[used.pop(worst)] = "too_few_people" if short[worst] else f"beyond_{importance.DRIVERS_MAX}"
    return DriverChoice(tuple(used), dict(sorted(left_out.items())))


def analyse(answers: Floats, draws: int = 1_000) -> Drivers:
    """Parts of R² of the target that go with each driver, from correlations of pairs.

    answers: shape (people, 1 + drivers), the target first and known of everyone, NaN where there is no answer; drivers
    as `choose` leaves them. draws: of the bootstrap over people, and as many permutations of the target.
    Raises TooFewPeopleError; ValueError where all answers to the target are alike.
    """
    people, drivers = len(answers), answers.shape[1] - 1
    needed = max(PAIRS_MIN, PEOPLE_PER_DRIVER * drivers)
    if drivers < 1 or people < needed:
        raise TooFewPeopleError(
            f"too few people: {people} answered the target and something else; {drivers} drivers need {needed}"
            if drivers
            else f"no driver has the {PAIRS_MIN} people who answered it and the target"
        )
    if np.ptp(answers[:, 0]) == 0:
        raise ValueError("all answers to the target are alike: nothing goes with them")
    random = np.random.default_rng(_SEED)
    moments = Moments.of(answers, random)
    raw = moments.correlations()
    whole, _ = repaired(raw)
    drawn, bad = repaired(moments.drawn(draws, random))
    parts, r2 = importance.lmg(whole), float(importance.r_squared(whole))
    drawn_parts = importance.lmg(drawn)
    low, high = _interval(parts, drawn_parts)
    r2_low, r2_high = _interval(np.array([r2]), drawn_parts.sum(axis=1, keepdims=True))
    p = _p_of_parts(answers, whole, parts, draws, random)
    johnson = importance.johnson(whole)
    alone, last = importance.alone_and_last(whole)
    pairs = moments.n.sum(axis=0)
    found = tuple(
        Driver(
            at, int(pairs[0, 1 + at]), float(whole[0, 1 + at]), float(parts[at]), float(low[at]), float(high[at]),
            float(parts[at]) / r2, float(johnson[at]), float(alone[at]), float(last[at]), float(p[at]),
            bool(p[at] < LEVEL),
        )
        for at in range(drivers)
    )  # fmt: skip
    changed = float(np.abs(whole - raw).max())
    return Drivers(
        people, int(pairs.min()), r2, float(r2_low[0]), float(r2_high[0]), changed, draws, float(bad.mean()), found
    )  # fmt: skip


def _interval(estimates: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Intervals of 95 % of shares in 0 to 1; estimates of shape (shares,), drawn of shape (draws, shares).

    On the scale of the logit, where they are about normal, and about the estimate without its bias: R² of a sample is
    too high, and R² of draws from it is too high by as much again (Efron and Tibshirani 1993, chapter 10). The plain
    percentiles hold R² in 87 % at 300 people.
    """
    centre = np.clip(2 * estimates - drawn.mean(axis=0), 1e-6, 1 - 1e-6)
    drawn = np.clip(drawn, 1e-6, 1 - 1e-6)
    width = 1.959964 * np.log(drawn / (1 - drawn)).std(axis=0, ddof=1)
    middle = np.log(centre / (1 - centre))
    return 1 / (1 + np.exp(width - middle)), 1 / (1 + np.exp(-width - middle))


def _p_of_parts(answers: Floats, whole: Floats, parts: Floats, draws: int, random: np.random.Generator) -> Floats:
    """p of each part against the largest of all where the target is permuted, so that it holds for all together.

    Westfall and Young (1993), Resampling-Based Multiple Testing, the single-step maximum.
    """
    forms = importance.lmg_forms(whole[1:, 1:])
    towards = with_target_permuted(answers, draws, random)
    null = np.einsum("di,jil,dl->dj", towards, forms, towards, optimize=True).max(axis=1)
    p: Floats = (1 + (null[:, None] >= parts).sum(axis=0)) / (draws + 1)
    return p
