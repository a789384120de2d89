"""95 % intervals that count people, in NumPy and from docs/metrics.md: for single groups and for simulations.

Arrays of people have these along the last axis; everything else is broadcast over the axes before it.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Bounds = tuple[Numbers, Numbers]
Z95 = NormalDist().inv_cdf(0.975)
PEOPLE_MIN = 10
AMOUNT_PEOPLE_MIN = 50
AMOUNT_MARGIN_MAX = 0.15


@dataclass(frozen=True)
class Design:
    """A group's answers: how many, of how many people, mean, variance, design effect, quantile of t."""

    n: Numbers
    people: Numbers
    mean: Numbers
    squares: Numbers
    """Mean of the squares."""
    variance: Numbers
    deff: Numbers
    t: Numbers
    weighty: Numbers
    """People as many as the variance really rests on: (sum of k²)² ÷ sum of k⁴."""


def t_quantile(degrees: Any) -> Numbers:
    """The quantile .975 of Student's t by Abramowitz and Stegun 26.7.5."""
    z, d = Z95, np.asarray(degrees, float)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum((term / d**power for power, term in enumerate(terms, 1)), np.zeros_like(d))


def design(k: Numbers, s: Numbers, q: Numbers) -> Design:
    """For people who gave k answers that add up to s, their squares to q."""
    n, kk = k.sum(-1), (k * k).sum(-1)
    with np.errstate(all="ignore"):
        mean = s.sum(-1) / n
        squares = np.maximum(q.sum(-1) - s.sum(-1) ** 2 / n, 0)
        over_people = ((s - mean[..., None] * k) ** 2).sum(-1)
        # With Kish's effective number of people in the place of theirs.
        effective = n * n / kk
        found = np.maximum(1, effective / (effective - 1) * over_people * (n - 1) / n / squares)
        alike = (squares <= 1e-12 * n) | (effective <= 1)
        deff = np.where(n == kk, 1.0, np.where(alike, kk / n, found))
        variance = np.where(n < 2, 0, squares / (n - 1))
        t = np.where(n == kk, Z95, t_quantile(np.maximum(1, effective - 1)))
    weighty = kk * kk / np.maximum(1, (k**4).sum(-1))
    return Design(n, (k > 0).sum(-1).astype(float), mean, q.sum(-1) / np.maximum(n, 1), variance, deff, t, weighty)


def enough(one: Design, bounds: Bounds) -> Bounds:
    """NaN where there are too few people."""
    low, high = (np.where(one.people < PEOPLE_MIN, np.nan, bound) for bound in bounds)
    return low, high


def wilson(share: Numbers, answers: Numbers, t: Numbers) -> Bounds:
    """Wilson's score interval of a share of that many answers."""
    middle = (share + t * t / (2 * answers)) / (1 + t * t / answers)
    margin = t * np.sqrt(share * (1 - share) / answers + t * t / (4 * answers**2)) / (1 + t * t / answers)
    return np.maximum(0, middle - margin), np.minimum(1, middle + margin)


def share_interval(one: Design) -> Bounds:
    """For a share, from 0 to 1."""
    return enough(one, wilson(one.mean, one.n / one.deff, one.t))


def net_interval(one: Design) -> Bounds:
    """For NPS, from -1 to 1; an answer is 1, 0 or -1."""
    e = one.n / one.deff
    promoters, detractors = (one.squares + one.mean) / 2, (one.squares - one.mean) / 2
    p, d = (promoters * e + 0.75) / (e + 3), (detractors * e + 0.75) / (e + 3)
    margin = one.t * np.sqrt((p + d - (p - d) ** 2) / (e + 3))
    return enough(one, (np.maximum(-1, p - d - margin), np.minimum(1, p - d + margin)))


def mean_interval(one: Design, low: float, high: float) -> Bounds:
    """For a mean on a scale: Wilson's of the mean from 0 to 1, of as many answers as a share of that variance has."""
    span, e = high - low, one.n / one.deff
    y = np.clip((one.mean - low) / span, 0, 1)
    variance = (one.variance / span**2 * e + 0.25 * (y * y + (1 - y) ** 2)) / (e + 0.5)
    ends = wilson(y, np.maximum(e, y * (1 - y) / variance * e), one.t)
    return enough(one, (low + span * ends[0], low + span * ends[1]))


def amount_interval(one: Design) -> Bounds:
    """For a mean without a scale: normal, on the scale of logarithms for positive ones; none where they differ much."""
    margin = one.t * np.sqrt(one.variance * one.deff / one.n)
    with np.errstate(all="ignore"):
        low = np.where(one.mean > 0, one.mean * np.exp(-margin / one.mean), one.mean - margin)
        high = np.where(one.mean > 0, one.mean * np.exp(margin / one.mean), one.mean + margin)
        alike = (margin <= 0) | (one.weighty < AMOUNT_PEOPLE_MIN) | (margin > AMOUNT_MARGIN_MAX * abs(one.mean))
    return enough(one, (np.where(alike, np.nan, low), np.where(alike, np.nan, high)))


def quantile_ranks(one: Design, level: float) -> Bounds:
    """Ranks (from 1) of the order statistics around a quantile; `one`: whether each value is at most the quantile."""
    e, n, t = one.n / one.deff, one.n, one.t
    least = np.minimum(e, one.weighty)
    middle = n * level + (1 - 2 * level) * (t * t - 1) / 6 * n / e
    margin = t * n * np.sqrt(level * (1 - level) / e)
    low = np.where((1 - level) ** least > 0.025, np.nan, np.maximum(1, np.floor(middle - margin + 0.5)))
    high = np.where(level**least > 0.025, np.nan, np.minimum(n, np.ceil(middle + margin + 0.5)))
    return enough(one, (low, high))
