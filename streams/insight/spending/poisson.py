"""Poisson pseudo-likelihood: a mean that is an exponential of a line, whatever the distribution about it.

Gourieroux, Monfort and Trognon (1984), Econometrica 52(3), 701-720; for amounts with many zeros: Santos Silva and
Tenreyro (2006), The Log of Gravity, Review of Economics and Statistics 88(4), 641-658.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS_MAX: Final = 100
_SETTLED: Final = 1e-10


class NotSettledError(ValueError):
    """The fit has no maximum: columns depend on each other, or one of them tells who spends nothing at all."""


@dataclass(frozen=True)
class PoissonFit:
    """Slopes, shape (columns,), and their covariance, shape (columns, columns), which holds for any distribution."""

    slopes: Floats
    covariance: Floats


def fit(columns: Floats, amounts: Floats) -> PoissonFit:
    """Fit E[amount] = exp(columns · slopes); columns of shape (people, columns) with a constant, amounts ≥ 0.

    The covariance is the sandwich with residuals ÷ (1 - leverage), as HC3 (MacKinnon and White 1985): with few people
    and amounts of very different size the plain one is too small. Raises NotSettledError.
    """
    if not amounts.any():
        raise NotSettledError("all amounts are 0")
    scale = np.maximum(np.abs(columns).max(axis=0), 1e-300)
    x, unit = columns / scale, float(amounts.mean())
    y = amounts / unit
    slopes = np.linalg.lstsq(x, np.log(y + 0.5), rcond=None)[0]
    best = _likelihood(x, y, slopes)
    for _ in range(_STEPS_MAX):
        mean = np.exp(x @ slopes)
        try:
            step = np.linalg.solve(x.T @ (x * mean[:, None]), x.T @ (y - mean))
        except np.linalg.LinAlgError:
            raise NotSettledError("columns depend on each other") from None
        slopes, found = _forward(x, y, slopes, step, best)
        if abs(found - best) <= _SETTLED * (1 + abs(best)) and np.abs(step).max() < 1e-6:
            return _with_errors(x, y, slopes, scale, unit)
        best = found
    raise NotSettledError("the slopes grow without end: some people with a common trait spent nothing")


def _forward(x: Floats, y: Floats, slopes: Floats, step: Floats, best: float) -> tuple[Floats, float]:
    """The step, halved until the likelihood doesn't fall."""
    for _ in range(40):
        found = _likelihood(x, y, slopes + step)
        if found >= best - 1e-12 * (1 + abs(best)):
            return slopes + step, found
        step = step / 2
    return slopes, best


def _likelihood(x: Floats, y: Floats, slopes: Floats) -> float:
    line = x @ slopes
    if line.max() > 500:
        return -np.inf
    return float(y @ line - np.exp(line).sum())


def _with_errors(x: Floats, y: Floats, slopes: Floats, scale: Floats, unit: float) -> PoissonFit:
    mean = np.exp(x @ slopes)
    bread = np.linalg.inv(x.T @ (x * mean[:, None]))
    leverage = mean * ((x @ bread) * x).sum(axis=1)
    scores = x * ((y - mean) / np.maximum(1 - leverage, 1e-6))[:, None]
    covariance = bread @ (scores.T @ scores) @ bread / np.outer(scale, scale)
    found = slopes / scale
    constant = np.flatnonzero((x == x[0]).all(axis=0))
    # Amounts were in units of their mean: that is in the constant.
    found[constant[:1]] += np.log(unit) / (x[0, constant[:1]] * scale[constant[:1]])
    return PoissonFit(found, covariance)
