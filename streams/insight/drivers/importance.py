"""The parts of R² that belong to each driver, from a correlation matrix: LMG, and Johnson's relative weights.

LMG: Lindeman, Merenda and Gold (1980), Introduction to Bivariate and Multivariate Analysis, p. 119; it is the Shapley
value of R². Johnson (2000), Multivariate Behavioral Research 35(1), 1-19.
"""

from functools import cache
from math import comb
from typing import Final

import numpy as np

from touchstream.streams.insight.drivers.correlations import Floats

DRIVERS_MAX: Final = 16
"""Most drivers: LMG needs R² of all 65,536 sets of them."""
_CELLS_MAX: Final = 1 << 19
"""Most numbers of a step, 4 MB: what the cache of a core holds."""


def lmg(correlations: Floats) -> Floats:
    """What each driver adds to R², averaged over all orders in which drivers may come; shape (…, drivers).

    correlations: shape (…, 1 + drivers, 1 + drivers), positive definite, the target first. The parts add up to R².
    Raises ValueError for more than DRIVERS_MAX drivers.
    """
    drivers = correlations.shape[-1] - 1
    if not 1 <= drivers <= DRIVERS_MAX:
        raise ValueError(f"{drivers} drivers: LMG takes 1 to {DRIVERS_MAX}")
    flat = correlations.reshape(-1, drivers + 1, drivers + 1)
    step = max(1, _CELLS_MAX >> drivers)
    shares = [_r2_of_sets(flat[at : at + step]) @ _weights(drivers) for at in range(0, len(flat), step)]
    found: Floats = np.concatenate(shares).reshape(*correlations.shape[:-2], drivers)
    return found


def lmg_forms(drivers: Floats) -> Floats:
    """LMG of any target by the same drivers, as quadratic forms; shape (drivers, drivers, drivers).

    drivers: their correlations, shape (drivers, drivers). With r the correlations of a target with them, part j of LMG
    is r · forms[j] · r: a thousand targets cost little more than one.
    """
    many = len(drivers)
    pairs = [(i, j) for i in range(many) for j in range(i, many)]
    asked = np.zeros((len(pairs), many + 1, many + 1))
    asked[:, 1:, 1:] = drivers
    asked[:, 0, 0] = 1
    for at, (i, j) in enumerate(pairs):
        asked[at, 0, 1 + i] = asked[at, 0, 1 + j] = 1
    asked[:, 1:, 0] = asked[:, 0, 1:]
    parts = dict(zip(pairs, lmg(asked), strict=True))
    forms = np.empty((many, many, many))
    for i, j in pairs:
        form = parts[i, i] if i == j else (parts[i, j] - parts[i, i] - parts[j, j]) / 2
        forms[:, i, j] = forms[:, j, i] = form
    return forms


def alone_and_last(correlations: Floats) -> tuple[Floats, Floats]:
    """R² of each driver by itself, and what it adds to R² of all others; each of shape (…, drivers)."""
    drivers = correlations[..., 1:, 1:]
    towards = correlations[..., 1:, :1]
    slopes = np.linalg.solve(drivers, towards)[..., 0]
    unexplained = np.diagonal(np.linalg.inv(drivers), axis1=-2, axis2=-1)
    return towards[..., 0] ** 2, slopes**2 / unexplained


def r_squared(correlations: Floats) -> Floats:
    """R² of all drivers; shape (…)."""
    towards = correlations[..., 1:, :1]
    found: Floats = (towards * np.linalg.solve(correlations[..., 1:, 1:], towards)).sum(axis=(-2, -1))
    return found


def johnson(correlations: Floats) -> Floats:
    """Relative weights: R² in parts by way of the nearest uncorrelated drivers; shape (…, drivers)."""
    values, vectors = np.linalg.eigh(correlations[..., 1:, 1:])
    turned = np.swapaxes(vectors, -1, -2)
    loadings = (vectors * np.sqrt(values)[..., None, :]) @ turned
    slopes = (vectors / np.sqrt(values)[..., None, :]) @ turned @ correlations[..., 1:, :1]
    found: Floats = (loadings**2 @ slopes**2)[..., 0]
    return found


def _r2_of_sets(correlations: Floats) -> Floats:
    """R² of each set of drivers; shape (matrices, 2^drivers), the first driver being the highest bit of the set."""
    many, items, _ = correlations.shape
    order = [*range(1, items), 0]
    left = correlations[:, order][:, :, order][:, None]
    while left.shape[-1] > 1:
        # What is left of the others without the next driver, and with it: its part is taken out of them.
        rest = left[..., 1:, 1:]
        taken = rest - left[..., 1:, :1] * left[..., :1, 1:] / left[..., :1, :1]
        left = np.stack([rest, taken], axis=2).reshape(many, -1, *rest.shape[-2:])
    r2: Floats = 1 - left[..., 0, 0]
    return r2


@cache
def _weights(drivers: int) -> Floats:
    """What R² of each set counts in each driver's part; shape (2^drivers, drivers)."""
    sets = np.arange(1 << drivers)
    size = np.array([int(one).bit_count() for one in sets])
    orders = np.array([1 / (drivers * comb(drivers - 1, before)) for before in range(drivers)] + [0.0])
    inside = (sets[:, None] >> np.arange(drivers - 1, -1, -1)) & 1
    weights: Floats = np.where(inside == 1, orders[size - 1][:, None], -orders[size][:, None])
    return weights
