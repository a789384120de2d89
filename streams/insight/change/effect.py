"""The effect of a change on the places that it reached, against those that it did not."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from scipy.special import stdtr, stdtrit

from touchstream.streams.insight.change.places import Bools, Floats

PLACES_MIN: Final = 6
"""Least number of places in all: with fewer, what places do by themselves can't be told from the change."""
UNCHANGED_MIN: Final = 3
"""Least number of places without the change: how places vary is learnt from them."""
PLACEBOS_MAX: Final = 2_000
"""Most choices of places without the change that are tried as if they had it."""
_SEED: Final = 20_260_101


class TooFewPlacesError(ValueError):
    """Places are too few to part a change from chance; the message says how many are needed."""


@dataclass(frozen=True)
class ChangeEffect:
    """A difference in differences, its standard error, its interval of 95 % and p, by t with `degrees` of freedom.

    between: standard deviation of what places do by themselves, beyond what their people explain.
    """

    effect: float
    error: float
    low: float
    high: float
    p: float
    degrees: int
    between: float


def effect_of(changes: Floats, variances: Floats, changed: Bools) -> ChangeEffect:
    """The mean change of the places with the change less that of the others; all of shape (places,).

    A place's change is its own mean difference, with a variance over people, about a common one of its kind with the
    variance τ² between places. Weights 1 ÷ (variance + τ²); τ² is that of Paule and Mandel (1982); t has places - 2
    degrees of freedom (Donald and Lang 2007, of few groups). By errors over people alone, one in five quiet places
    would have an effect. Raises TooFewPlacesError.
    """
    places, treated = len(changes), int(changed.sum())
    if treated < 1 or places - treated < UNCHANGED_MIN or places < PLACES_MIN:
        raise TooFewPlacesError(
            f"too few places: {treated} with the change and {places - treated} without; "
            f"at least {PLACES_MIN} in all are needed, {UNCHANGED_MIN} of them without, "
            "or else a random split of people (--randomised)"
        )
    between = _between(changes, variances, changed)
    (with_it, weight), (without, other) = (_mean(changes, variances, group, between) for group in (changed, ~changed))
    return _effect(with_it - without, sqrt(1 / weight + 1 / other), places - 2, sqrt(between))


def two_groups(n: Floats, means: Floats, variances: Floats) -> ChangeEffect:
    """The same of two groups of people, split at random: shapes (2, 2), [without, with] the change by [before, after].

    n: people, one value each; variances with n - 1. The errors are those of ordinary least squares on group, period and
    their product (Wooldridge, Introductory Econometrics, chapter 13). Raises TooFewPlacesError below 10 people a cell.
    """
    if n.min() < 10:
        raise TooFewPlacesError(f"too few people: {int(n.min())} of a group in a period; at least 10 are needed")
    degrees = int(n.sum()) - 4
    pooled = float(((n - 1) * variances).sum()) / degrees
    difference = means[1, 1] - means[1, 0] - means[0, 1] + means[0, 0]
    return _effect(float(difference), sqrt(pooled * float((1 / n).sum())), degrees, 0.0)


@dataclass(frozen=True)
class Placebo:
    """The places without the change, as if they had it. tried: choices of as many places; p: how often the effect of
    such a choice is as large as the real one, which counts as one of them.
    """

    tried: int
    p: float


def placebo(changes: Floats, variances: Floats, changed: Bools) -> Placebo | None:
    """Try what was not changed as if it were, by t; None where too few places are left to compare with."""
    treated = int(changed.sum())
    kept = ~changed
    if kept.sum() - treated < UNCHANGED_MIN or kept.sum() < PLACES_MIN:
        return None
    real = effect_of(changes, variances, changed)
    others, spread = changes[kept], variances[kept]
    choices = _choices(int(kept.sum()), treated)
    larger = 0
    for choice in choices:
        tried = effect_of(others, spread, choice)
        larger += abs(tried.effect / tried.error) >= abs(real.effect / real.error)
    return Placebo(len(choices), (1 + larger) / (1 + len(choices)))


def _choices(places: int, treated: int) -> list[Bools]:
    """Each place by itself, or random choices of several."""
    if treated == 1:
        return list(np.eye(places, dtype=np.bool_)[:PLACEBOS_MAX])
    random = np.random.default_rng(_SEED)
    chosen = random.permuted(np.tile(np.arange(places) < treated, (500, 1)), axis=1)
    return list(np.unique(chosen, axis=0))


def _mean(changes: Floats, variances: Floats, group: Bools, between: float) -> tuple[float, float]:
    """The weighted mean of a group of places, and the sum of the weights."""
    weights = 1 / (variances[group] + between)
    return float((weights * changes[group]).sum() / weights.sum()), float(weights.sum())


def _between(changes: Floats, variances: Floats, changed: Bools) -> float:
    """τ² at which the weighted squares about the two means are what they should be, places - 2; nearly 0 where less."""

    def squares(between: float) -> float:
        total = 0.0
        for group in (changed, ~changed):
            mean, _ = _mean(changes, variances, group, between)
            total += float(((changes[group] - mean) ** 2 / (variances[group] + between)).sum())
        return total

    wanted = len(changes) - 2
    # Places whose people all answer alike have no variance: an amount that changes nothing keeps weights finite.
    least = 1e-12 * (1 + float(np.var(changes)))
    if squares(least) <= wanted:
        return least
    low, high = least, float(((changes - changes.mean()) ** 2).sum()) + least
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if squares(middle) > wanted else (low, middle)
    return high


def _effect(effect: float, error: float, degrees: int, between: float) -> ChangeEffect:
    error = max(error, 1e-12)
    width = float(stdtrit(degrees, 0.975)) * error
    p = 2 * float(stdtr(degrees, -abs(effect) / error))
    return ChangeEffect(effect, error, effect - width, effect + width, p, degrees, between)
