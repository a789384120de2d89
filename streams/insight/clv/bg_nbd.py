"""BG/NBD: when customers buy again, and when they stop.

While alive a customer buys at rate λ a week, λ ~ gamma(r, α); after each purchase the customer stops for good with
probability p ~ beta(a, b). Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the
Pareto/NBD Model. Marketing Science 24(2), 275-284.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaln, expit, gammaln, log_expit, psi

from touchstream.streams.insight.clv.history import FitError, Floats, RepeatPurchases
from touchstream.streams.insight.clv.search import highest

REPEAT_CUSTOMERS_MIN: Final = 100
"""Least number of repeat customers: with fewer the four parameters are unreliable."""
_STARTS: Final = ((1.0, 1.0, 1.0, 1.0), (0.25, 0.1, 0.5, 2.0), (0.5, 0.3, 0.2, 5.0), (3.0, 2.0, 2.0, 2.0))
"""(r, α, a, b), with α in units of the mean age."""
_TAIL: Final = 30.0
"""Where an integral is cut off: the rest is about exp(-30) of its highest value."""


@dataclass(frozen=True)
class BgNbd:
    """The parameters, all above 0; alpha in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, seen: RepeatPurchases) -> float:
        """The sum over customers of equation (6) of the paper, in logs."""
        return _likelihood(np.array([self.r, self.alpha, self.a, self.b]), seen)[0]

    def probability_alive(self, seen: RepeatPurchases) -> Floats:
        """That each customer hasn't stopped at the end of the observation. 1 without repeats: one stops after one.

        Fader, Hardie and Lee (2008), Computing P(alive) Using the BG/NBD Model.
        """
        x = seen.repeats
        stopped = (
            np.log(self.a / (self.b + np.maximum(x, 1) - 1))
            + (self.r + x) * np.log((self.alpha + seen.age_weeks) / (self.alpha + seen.recency_weeks))
        )  # fmt: skip
        return np.where(x > 0, expit(-stopped), 1.0)

    def expected_purchases(self, seen: RepeatPurchases, weeks: float) -> Floats:
        """How many purchases of each customer to expect in the `weeks` after the observation: equation (10)."""
        span = weeks / (self.alpha + seen.age_weeks)
        return self.probability_alive(seen) * expected_while_alive(
            self.r + seen.repeats, self.a, self.b + seen.repeats, span
        )


def expected_while_alive(shape: Floats, a: float, b: Floats, span: Floats) -> Floats:
    """Purchases to come of customers who are alive: λ ~ gamma(shape), p ~ beta(a, b), span = weeks / rate of the gamma.

    Equation (10) has a Gaussian hypergeometric function here, divided by a - 1, which overflows, or loses its digits,
    for many purchases, long horizons and a near 1. This is the integral that it stands for: the mean over p of
    g(p) = (1 - (1 + p·span)^-shape) / p. Its straight line between g(0) and g(1) is known; the rest, divided by
    p(1 - p), is averaged over beta(a + 1, b + 1) by the trapezoidal rule in u = log(p / (1 - p)), which converges
    exponentially. Within 2e-8 of equation (10) wherever that can be computed.
    """
    below, above, spread = a + 1, b + 1, np.sqrt(1 / (a + 1) + 1 / (b + 1))
    low = np.log(below / above) - _TAIL / below - np.sqrt(2 * _TAIL) * spread
    high = np.log(below / above) + _TAIL / above + np.sqrt(2 * _TAIL) * spread
    points = int(np.max((high - low) / np.minimum(0.35, 0.5 * spread))) + 1
    at_0, at_1 = shape * span, -np.expm1(-shape * np.log1p(span))
    peak = _log_beta_weight(np.log(below / above), below, above)
    weights, sums = np.zeros_like(span), np.zeros_like(span)
    for point in range(points + 1):
        u = low + (high - low) * point / points
        p, rest = expit(u), expit(-u)
        weight = np.exp(_log_beta_weight(u, below, above) - peak)
        weights += weight
        sums += weight * (-np.expm1(-shape * np.log1p(p * span)) / p - at_0 * rest - at_1 * p) / (p * rest)
    line = (at_0 * b + at_1 * a) / (a + b)
    return np.asarray(line + a * b / ((a + b) * (a + b + 1)) * sums / weights)


def _log_beta_weight(u: Floats, a: float, b: Floats) -> Floats:
    return np.asarray(a * log_expit(u) + b * log_expit(-u))


def fit(seen: RepeatPurchases) -> BgNbd:
    """The parameters of the highest likelihood. Raises FitError for too few repeat customers or no maximum."""
    back = int(np.count_nonzero(seen.repeats))
    if back < REPEAT_CUSTOMERS_MIN:
        raise FitError(
            f"too little data: {back} customers bought on more than one day, and {REPEAT_CUSTOMERS_MIN} are needed; "
            "wait for more purchases"
        )
    scale = float(np.mean(seen.age_weeks))
    scaled = RepeatPurchases(seen.repeats, seen.recency_weeks / scale, seen.age_weeks / scale, seen.mean_minor)
    r, alpha, a, b = highest("BG/NBD", ("r", "alpha", "a", "b"), lambda at: _likelihood(at, scaled), _STARTS, len(seen))
    return BgNbd(r, alpha * scale, a, b)


def _likelihood(at: Floats, seen: RepeatPurchases) -> tuple[float, Floats]:
    """Log-likelihood and its gradient at (r, α, a, b)."""
    r, alpha, a, b = at
    x, recency, age = seen.repeats, alpha + seen.recency_weeks, alpha + seen.age_weeks
    back = x > 0
    before = b + np.maximum(x, 1) - 1
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    alive = -(r + x) * np.log(age)
    stopped = np.where(back, np.log(a / before) - (r + x) * np.log(recency), -np.inf)
    total = float(np.sum(common + np.logaddexp(alive, stopped)))
    gone = np.where(back, expit(stopped - alive), 0.0)
    still = 1 - gone
    both = psi(a + b) - psi(a + b + x)
    gradient = [
        psi(r + x) - psi(r) + np.log(alpha) - still * np.log(age) - gone * np.log(recency),
        r / alpha - (r + x) * (still / age + gone / recency),
        both + gone / a,
        both + psi(b + x) - psi(b) - gone / before,
    ]
    return total, np.array([np.sum(part) for part in gradient])
