"""Pairwise correlations of answers that are missing in part, of all people and of bootstrap draws over people."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS_MAX: Final = 2_000
"""Most blocks of people that a draw chooses from: then all draws are one product of matrices, however many people.

Blocks are filled at random, so that they are as independent of each other as people are.
"""
EIGENVALUE_MIN: Final = 1e-3
"""Least eigenvalue of a correlation matrix that is used as it is: below it, R² is that of a nearly singular matrix."""


@dataclass(frozen=True)
class Moments:
    """What pairwise correlations are made of, by block of people; each of shape (blocks, items, items).

    n[i, j]: people with both answers. s[i, j], q[i, j]: sums of i and of its square over them; p[i, j]: of products.
    """

    n: Floats
    s: Floats
    q: Floats
    p: Floats

    @classmethod
    def of(cls, answers: Floats, random: np.random.Generator) -> "Moments":
        """Moments of answers, shape (people, items), NaN where there is none. One person a block, up to BLOCKS_MAX."""
        people, items = answers.shape
        blocks = min(people, BLOCKS_MAX)
        size = -(-people // blocks)
        padded = np.full((blocks * size, items), np.nan)
        # Dealt out like cards, so that blocks differ by one person at most.
        padded[np.arange(people) % blocks * size + np.arange(people) // blocks] = answers[random.permutation(people)]
        known = ~np.isnan(padded)
        there = known.astype(np.float64).reshape(blocks, size, items)
        value = np.where(known, padded - np.nanmean(answers, axis=0), 0.0).reshape(blocks, size, items)
        across = np.swapaxes(value, 1, 2)
        return cls(np.swapaxes(there, 1, 2) @ there, across @ there, (across**2) @ there, across @ value)

    def correlations(self) -> Floats:
        """The correlations of all people, each over those with both answers; shape (items, items)."""
        return _correlations(*(part.sum(axis=0) for part in (self.n, self.s, self.q, self.p)))

    def drawn(self, draws: int, random: np.random.Generator) -> Floats:
        """Correlations of bootstrap draws over blocks; shape (draws, items, items)."""
        blocks, items, _ = self.n.shape
        times = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.float64)
        parts = ((times @ part.reshape(blocks, -1)).reshape(draws, items, items) for part in vars(self).values())
        return _correlations(*parts)


def _correlations(n: Floats, s: Floats, q: Floats, p: Floats) -> Floats:
    """Correlations from sums; those that no people or no variance give are 0, and 1 on the diagonal."""
    people = np.maximum(n, 1)
    turned = np.swapaxes(s, -1, -2)
    spread = q / people - (s / people) ** 2
    both = np.sqrt(np.maximum(spread * np.swapaxes(spread, -1, -2), 0))
    together = p / people - s * turned / people**2
    found: Floats = np.clip(np.divide(together, both, out=np.zeros_like(together), where=both > 1e-12), -1, 1)
    items = np.arange(found.shape[-1])
    found[..., items, items] = 1.0
    return found


def repaired(correlations: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The matrices, positive definite, and which of them had to be repaired; shapes (…, items, items) and (…).

    Pairwise correlations need not belong to any people at all. Eigenvalues below EIGENVALUE_MIN are raised to it and
    the diagonal is brought back to 1 (Rousseeuw and Molenberghs 1993, the shrinking of eigenvalues).
    """
    values, vectors = np.linalg.eigh(correlations)
    bad = values[..., 0] < EIGENVALUE_MIN
    if not bad.any():
        return correlations, bad
    raised = (vectors * np.maximum(values, EIGENVALUE_MIN)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    scale = np.sqrt(np.diagonal(raised, axis1=-2, axis2=-1))
    mended = raised / scale[..., :, None] / scale[..., None, :]
    found: Floats = np.where(bad[..., None, None], mended, correlations)
    return found, bad


def with_target_permuted(answers: Floats, permutations: int, random: np.random.Generator) -> Floats:
    """Correlations of each driver with a target that was permuted among people; shape (permutations, drivers).

    answers: shape (people, 1 + drivers), the target first, which everyone has answered.
    """
    known = ~np.isnan(answers[:, 1:])
    there = known.astype(np.float64)
    value = np.where(known, answers[:, 1:] - np.nanmean(answers[:, 1:], axis=0), 0.0)
    target = answers[:, 0] - answers[:, 0].mean()
    n, spread = there.sum(axis=0), (value**2).sum(axis=0)
    found = np.empty((permutations, n.size))
    step = max(1, 2_000_000 // len(target))
    for first in range(0, permutations, step):
        many = min(step, permutations - first)
        shuffled = random.permuted(np.broadcast_to(target, (many, len(target))), axis=1)
        sums, squares, products = shuffled @ there, shuffled**2 @ there, shuffled @ value
        both = np.sqrt(spread * (squares - sums**2 / n))
        found[first : first + many] = np.divide(products, both, out=np.zeros_like(products), where=both > 1e-12)
    return found
