"""Gamma-gamma: what customers spend.

A purchase's value is gamma(p, ν), where ν ~ gamma(q, v) differs between customers. Fader and Hardie (2013), The
Gamma-Gamma Model of Monetary Value. It takes for granted that who buys often spends no more or less each time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaln, psi

from touchstream.streams.insight.clv.history import FitError, Floats, RepeatPurchases
from touchstream.streams.insight.clv.search import highest

SPENDERS_MIN: Final = 100
_STARTS: Final = ((1.0, 2.0, 1.0), (5.0, 4.0, 0.5), (2.0, 10.0, 5.0))
"""(p, q, v), with v in units of the mean value."""


@dataclass(frozen=True)
class GammaGamma:
    """The parameters, all above 0; v in minor units."""

    p: float
    q: float
    v_minor: float

    def log_likelihood(self, seen: RepeatPurchases) -> float:
        """The sum over customers with repeat purchases of a value, equation (1a) of the note, in logs."""
        return _likelihood(np.array([self.p, self.q, self.v_minor]), *_spent(seen))[0]

    def expected_order_minor(self, seen: RepeatPurchases) -> Floats:
        """What each customer's mean purchase is expected to be: equation (5), between own mean and everybody's."""
        px = self.p * seen.repeats
        return np.asarray(self.p * (self.v_minor + seen.repeats * seen.mean_minor) / (px + self.q - 1))


def fit(seen: RepeatPurchases) -> GammaGamma:
    """The parameters of the highest likelihood. Raises FitError for too few repeat customers or no maximum."""
    x, mean = _spent(seen)
    if len(x) < SPENDERS_MIN:
        raise FitError(
            f"too little data: {len(x)} customers spent something on a second day, and {SPENDERS_MIN} are needed; "
            "wait for more purchases"
        )
    scale = float(np.mean(mean))
    p, q, v = highest("gamma-gamma", ("p", "q", "v"), lambda at: _likelihood(at, x, mean / scale), _STARTS, len(x))
    if q <= 1:
        raise FitError(
            f"gamma-gamma finds no mean of what customers spend (q = {q:.3g}): look for purchases with a wrong value"
        )
    return GammaGamma(p, q, v * scale)


def _spent(seen: RepeatPurchases) -> tuple[Floats, Floats]:
    """x and mean of those with repeat purchases of a value: nothing spent has no likelihood under a gamma."""
    spent = (seen.repeats > 0) & (seen.mean_minor > 0)
    return seen.repeats[spent], seen.mean_minor[spent]


def _likelihood(at: Floats, x: Floats, mean: Floats) -> tuple[float, Floats]:
    """Log-likelihood and its gradient at (p, q, v)."""
    p, q, v = at
    px, spent = p * x, np.log(v + x * mean)
    each = (
        gammaln(px + q) - gammaln(px) - gammaln(q)
        + q * np.log(v) + (px - 1) * np.log(mean) + px * np.log(x) - (px + q) * spent
    )  # fmt: skip
    gradient = [
        x * (psi(px + q) - psi(px) + np.log(x * mean) - spent),
        psi(px + q) - psi(q) + np.log(v) - spent,
        q / v - (px + q) / (v + x * mean),
    ]
    return float(np.sum(each)), np.array([np.sum(part) for part in gradient])
