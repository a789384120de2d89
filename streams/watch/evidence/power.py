"""Power, said beforehand: how likely a change is found, when one looks after every bucket."""

from dataclasses import dataclass
from math import erfc, exp, inf, log, sqrt

import numpy as np

from touchstream.streams.watch.evidence.effect import ESTIMATE_SHARE, MIXTURE, Effect
from touchstream.streams.watch.evidence.likelihood import CountLikelihood

_OVERSHOOT = (
    0.5826  # Siegmund 1985: evidence that is looked at in steps crosses as if the threshold were 0.58 sd higher
)
WANTED = 0.9
"""The power that `answers_needed` is for."""


def normal_cdf(z: float) -> float:
    """Φ(z)."""
    return 0.5 * erfc(-z / sqrt(2))


def crossing(drift: float, variance: float, h: float) -> float:
    """Probability that a Brownian motion reaches h by the time when it has this mean and variance.

    Φ((m−h)/√v) + e^(2mh/v)·Φ(−(m+h)/√v): the first-passage law (Siegmund, Sequential Analysis, 1985, 3.15).
    """
    if variance <= 0:
        return 1.0 if drift >= h > 0 else 0.0
    spread = sqrt(variance)
    tail = normal_cdf(-(drift + h) / spread)
    reflected = exp(2 * drift * h / variance + log(tail)) if tail > 0 else 0.0
    return min(1.0, normal_cdf((drift - h) / spread) + reflected)


def answers_needed(deviation: float, change: float, h: float, deff: float = 1.0, wanted: float = WANTED) -> float:
    """How many answers find a change of `change` with probability `wanted`; deviation: of one answer, the same unit.

    2u·deff·(σ/δ)², where Φ((u−h)/√(2u)) + e^h·Φ(−(u+h)/√(2u)) = wanted: evidence has half its variance as drift.
    Raises ValueError for a change of 0 or a probability outside (0, 1).
    """
    if change <= 0 or not 0 < wanted < 1:
        raise ValueError(f"no number of answers finds a change of {change} with probability {wanted}")
    low, high = 0.0, 1.0
    while crossing(high, 2 * high, h) < wanted:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if crossing(middle, 2 * middle, h) < wanted else (low, middle)
    return 2 * high * deff * (deviation / change) ** 2


@dataclass(frozen=True)
class Change:
    """A change to be found: its size in the rule's unit, and how many buckets it lasts."""

    size: float
    buckets: int


def count_power(effect: Effect, h: float, expected: float, spread: float, change: Change) -> float:
    """How likely a rule on a count fires in a change, 0 to 1.

    expected: events without the change, over all its buckets. spread: variance of a count about its baseline ÷ mean.
    change.size: a share. The best of the detectors counts, then volume and estimate.
    """
    buckets = min(change.buckets, effect.within)
    expected *= buckets / change.buckets
    if expected < effect.min_n or expected <= 0:
        return 0.0
    likelihood = CountLikelihood.of(effect, np.array([spread]))
    changed = expected * (1 + effect.sign * min(change.size, 1.0))
    fraction = ESTIMATE_SHARE * effect.size
    gate = float(likelihood.tilt[0, 0] * (1 + effect.sign * fraction) + likelihood.offset[0, 0])
    best = 0.0
    for tilt, offset in zip(likelihood.tilt[:, 0], likelihood.offset[:, 0], strict=True):
        variance = float(tilt) ** 2 * spread * changed
        best = max(best, _looked_at(float(tilt * changed + offset * expected), variance, h, buckets))
    noise = spread * max(changed / expected, 1e-9)
    return min(best, _estimated(change.size - fraction, noise, expected, h / gate))


@dataclass(frozen=True)
class Answers:
    """The traffic of a survey: answers in the change, deviation of one, spread (φ or deff), slack of the mean."""

    number: float
    deviation: float
    spread: float = 1.0
    slack: float = 0.0


def answer_power(effect: Effect, h: float, answers: Answers, change: Change) -> float:
    """How likely a rule on answers fires in a change, 0 to 1, with the normal approximation of the tilt."""
    buckets = min(change.buckets, effect.within)
    number = answers.number * buckets / change.buckets
    if number < effect.min_n or answers.deviation <= 0:
        return 0.0
    best = 0.0
    for times in MIXTURE:
        theta = times * effect.size / answers.deviation**2
        each = theta * (change.size - answers.slack) - (theta * answers.deviation) ** 2 / 2
        variance = number * (theta * answers.deviation) ** 2 / answers.spread
        best = max(best, _looked_at(number * each / answers.spread, variance, h, buckets))
    theta, fraction = effect.size / answers.deviation**2, ESTIMATE_SHARE * effect.size
    gate = theta * max(fraction - answers.slack, 0.6 * effect.size) - (theta * answers.deviation) ** 2 / 2
    noise = answers.deviation**2 * answers.spread
    return min(best, _estimated(change.size - fraction, noise, number, h * answers.spread / gate))


def smallest_count_change(effect: Effect, h: float, expected: float, spread: float) -> float:
    """What a rule can see in this traffic: the smallest change that it finds with 90 %; inf where it finds none.

    expected: events in `effect.within` buckets. A share, at least the effect.
    """
    for size in np.geomspace(effect.size, 1.0 if effect.falls else 100 * effect.size, 60):
        if count_power(effect, h, expected, spread, Change(float(size), effect.within)) >= WANTED:
            return float(size)
    return inf


def smallest_answer_change(effect: Effect, h: float, answers: Answers) -> float:
    """The same for a rule on answers; answers.number: in `effect.within` buckets. In units of the values."""
    for size in np.geomspace(effect.size, 8 * max(answers.deviation, effect.size), 80):
        if answer_power(effect, h, answers, Change(float(size), effect.within)) >= WANTED:
            return float(size)
    return inf


def _looked_at(drift: float, variance: float, h: float, buckets: int) -> float:
    """Crossing by a walk in so many steps; a walk that steps over the threshold is seen a little later."""
    return crossing(drift, variance, h + _OVERSHOOT * sqrt(variance / buckets))


def _estimated(above: float, noise: float, number: float, soonest: float) -> float:
    """How likely the estimate is once above the gate of the effect, in all looks.

    above: how far the change is beyond the gate. noise: variance of one of `number` answers. soonest: how many answers
    the evidence needs at least where the estimate is just at the gate; each two of these spans are a chance of their
    own, since an estimate changes little within one (a rule of thumb, which the simulation bears out).
    """
    chance = normal_cdf(above / sqrt(noise / min(soonest, number)))
    return float(1 - (1 - chance) ** max(1.0, number / soonest / 2))
