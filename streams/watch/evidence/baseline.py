"""The baseline of counts as a whole: what is expected, and how far counts vary about it."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_HOUR, Bools, Floats, Moment
from touchstream.streams.watch.evidence.dispersion import Dispersion
from touchstream.streams.watch.evidence.season import Season

_EXPECTED_MIN = 1.0  # events in an hour below which its square says nothing of the dispersion


@dataclass
class CountBaseline:
    """A season and a dispersion, which learn from each other; residual (2, series): counts and μ of the hour."""

    season: Season
    dispersion: Dispersion
    residual: Floats

    @classmethod
    def unknown(cls, series: int) -> Self:
        """Nothing learnt yet."""
        return cls(Season.unknown(series), Dispersion.unknown(series), np.zeros((2, series)))

    def expected(self, moment: Moment) -> Floats:
        """μ of a bucket, 0 where nothing is known; shape (series,). Must be asked before the bucket is taken."""
        return self.season.expected(moment, self.dispersion.phi)

    @property
    def spread(self) -> Floats:
        """Variance of a count about its baseline ÷ its mean: φ, and that the baseline is estimated; (series,)."""
        return self.dispersion.phi * (1 + self.season.uncertainty)

    def take(self, moment: Moment, counts: Floats, expected: Floats, held: Bools) -> Floats:
        """Learn a bucket; where `held`, because it fires or its feed is silent, as if it were as expected. In place.

        counts, expected, held: shape (series,). Returns what entered, NaN for nothing.
        """
        entered = np.where(held, np.where(self.season.weeks > 0, expected, np.nan), counts)
        self._vary(moment, np.where(held, np.nan, counts), expected)
        self.season.enter(moment, entered)
        return entered

    def _vary(self, moment: Moment, counts: Floats, expected: Floats) -> None:
        """Add to the residual of the hour, and, at its end, to the dispersion."""
        self.residual = self.residual + np.stack([counts, expected])
        if moment.slot % BUCKETS_PER_HOUR == BUCKETS_PER_HOUR - 1:
            total, mean = self.residual
            squares = (total - mean) ** 2 / np.maximum(mean, 1e-9) / (1 + self.season.uncertainty)
            usable = (self.season.weeks > 0) & (mean >= _EXPECTED_MIN) & ~np.isnan(total)
            self.dispersion.learn(np.where(usable, squares, 0.0), usable)
            self.residual = np.zeros_like(self.residual)
