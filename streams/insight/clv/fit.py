"""Both models, fitted to the same customers and held against what these bought later."""

from dataclasses import dataclass

import numpy as np

from touchstream.streams.insight.clv import bg_nbd, gamma_gamma
from touchstream.streams.insight.clv.history import Floats, RepeatPurchases


@dataclass(frozen=True)
class Holdout:
    """What customers bought after the observation, and what they were expected to: days with a purchase.

    mae: the mean over customers of the absolute difference.
    """

    repeats: int
    predicted: float
    mae: float


@dataclass(frozen=True)
class Models:
    """When customers buy, and what they spend."""

    buying: bg_nbd.BgNbd
    spending: gamma_gamma.GammaGamma

    @classmethod
    def fitted(cls, seen: RepeatPurchases) -> "Models":
        """Fit both. Raises FitError."""
        return cls(bg_nbd.fit(seen), gamma_gamma.fit(seen))

    def holdout(self, seen: RepeatPurchases, later: Floats, weeks: float) -> Holdout:
        """How well the `weeks` after the observation were predicted; later: purchases of each customer in them."""
        expected = self.buying.expected_purchases(seen, weeks)
        return Holdout(int(np.sum(later)), float(np.sum(expected)), float(np.mean(np.abs(expected - later))))
