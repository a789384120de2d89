"""What is known of each place before and after a date, and the change of its mean with the variance over people."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PEOPLE_MIN: Final = 10
"""Least number of people of a place before and after: of fewer a variance over people says nothing."""


@dataclass(frozen=True)
class PlaceSums:
    """Sums over the people of each place; shapes (places,).

    A person has k answers and their sum s, before (b) and after (a). people_b: people with kb > 0. kb, sb: Σkb, Σsb;
    sb_sb: Σsb², sb_kb: Σsb·kb, and so on. Means are Σs ÷ Σk.
    """

    people_b: Floats
    people_a: Floats
    kb: Floats
    ka: Floats
    sb: Floats
    sa: Floats
    sb_sb: Floats
    sb_kb: Floats
    kb_kb: Floats
    sa_sa: Floats
    sa_ka: Floats
    ka_ka: Floats
    sb_sa: Floats
    sb_ka: Floats
    sa_kb: Floats
    kb_ka: Floats

    def __len__(self) -> int:
        return len(self.people_b)

    def enough(self) -> Bools:
        """Places with PEOPLE_MIN people before and after; shape (places,)."""
        found: Bools = np.minimum(self.people_b, self.people_a) >= PEOPLE_MIN
        return found

    def of(self, places: Bools) -> "PlaceSums":
        """Only these places; shape (places,)."""
        return PlaceSums(**{name: column[places] for name, column in vars(self).items()})

    def drawn(self, draws: int, random: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
        """Σsb, Σkb, Σsa, Σka as other people would have given them; each of shape (draws, places), Σk ≥ 0.

        Each person is there a Poisson number of times of mean 1, as in the Poisson bootstrap; of their sums, the normal
        distribution with the same mean and covariance. People in several places count as others in each.
        """
        square = [
            [self.sb_sb, self.sb_kb, self.sb_sa, self.sb_ka],
            [self.sb_kb, self.kb_kb, self.sa_kb, self.kb_ka],
            [self.sb_sa, self.sa_kb, self.sa_sa, self.sa_ka],
            [self.sb_ka, self.kb_ka, self.sa_ka, self.ka_ka],
        ]
        covariance = np.moveaxis(np.array(square), -1, 0)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
        noise = random.normal(size=(draws, len(self), 4, 1))
        found = np.column_stack([self.sb, self.kb, self.sa, self.ka]) + (root @ noise)[..., 0]
        sb, kb, sa, ka = np.moveaxis(found, -1, 0)
        return np.where(kb > 0, sb, 0.0), np.maximum(kb, 0.0), np.where(ka > 0, sa, 0.0), np.maximum(ka, 0.0)

    def means(self) -> tuple[Floats, Floats]:
        """The means before and after; each of shape (places,)."""
        return self.sb / self.kb, self.sa / self.ka

    def changes(self) -> tuple[Floats, Floats]:
        """The change of each place's mean, and its variance over people; each of shape (places,).

        The variance is that of a difference of ratio means, linearised: Σ (r_a - r_b)² over people, with
        r = (s - m·k) ÷ Σk, so that people who are in both periods count for both.
        """
        before, after = self.means()
        squares_b = self.sb_sb - 2 * before * self.sb_kb + before**2 * self.kb_kb
        squares_a = self.sa_sa - 2 * after * self.sa_ka + after**2 * self.ka_ka
        both = self.sb_sa - before * self.sa_kb - after * self.sb_ka + before * after * self.kb_ka
        # n ÷ (n - 1) in each period; the root of it for what both share.
        root_b, root_a = (np.sqrt(n / np.maximum(n - 1, 1)) for n in (self.people_b, self.people_a))
        scale_b, scale_a = root_b / self.kb, root_a / self.ka
        variance = squares_b * scale_b**2 + squares_a * scale_a**2 - 2 * both * scale_b * scale_a
        return after - before, np.maximum(variance, 0)
