"""The parameters of the highest likelihood."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy.optimize import minimize

from touchstream.streams.insight.clv.history import FitError, Floats

_BOUND: Final = 10.0
"""Bound on the logarithm of each parameter: one that reaches 22,000 or 1/22,000 has no finite maximum."""
_GRADIENT_MAX: Final = 1e-4
"""Largest gradient of the mean log-likelihood by log parameters at a maximum, then exact to about 1 in 1000."""


def highest(
    model: str,
    names: Sequence[str],
    likelihood: Callable[[Floats], tuple[float, Floats]],
    starts: Sequence[Sequence[float]],
    n: int,
) -> list[float]:
    """Where a log-likelihood of n customers is highest, searched from several starts; all parameters are above 0.

    likelihood: (value, gradient) at an array of parameters. Raises FitError when there is no finite maximum.
    """

    def loss(logs: Floats) -> tuple[float, Floats]:
        at = np.exp(logs)
        value, gradient = likelihood(at)
        return -value / n, -gradient * at / n

    found = [
        minimize(loss, np.log(start), jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * len(names),
                 options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 1000})
        for start in starts
    ]  # fmt: skip
    best = min((one for one in found if np.isfinite(one.fun)), key=lambda one: float(one.fun), default=None)
    if best is None:
        raise FitError(f"{model} can't be computed for these purchases: look for values out of the ordinary")
    stuck = [f"{name} = {np.exp(at):.3g}" for name, at in zip(names, best.x, strict=True) if abs(at) > _BOUND - 1e-3]
    if stuck or float(np.max(np.abs(best.jac))) > _GRADIENT_MAX:
        where = ", ".join(stuck) or "no maximum found"
        raise FitError(
            f"{model} does not settle ({where}): these customers don't differ as it supposes; take more data"
        )
    return [float(value) for value in np.exp(best.x)]
