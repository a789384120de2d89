"""Simulated traffic: counts and answers with a week's shape, levels that wander, and planted changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from touchstream.streams.watch.evidence.buckets import (
    BUCKETS_PER_DAY,
    BUCKETS_PER_HOUR,
    BUCKETS_PER_WEEK,
    Floats,
    Ints,
)

SHAPES: Final = ("flat", "day and night 4:1", "open 9 to 20")
NPS_VALUES: Final = np.array([-100.0, 0.0, 100.0])
NPS_SHARES: Final = np.array([0.25, 0.25, 0.5])  # an NPS of 25; a standard deviation of 83
CSAT_VALUES: Final = np.array([0.0, 100.0])
CSAT_SHARES: Final = np.array([0.3, 0.7])


def shapes(series: int) -> Floats:
    """Slots of a week by series, whose largest is about 1; the three shapes in turn. Shape (2,016, series)."""
    hour = np.arange(BUCKETS_PER_WEEK) % BUCKETS_PER_DAY / BUCKETS_PER_HOUR
    day = 0.625 + 0.375 * np.sin(2 * np.pi * (hour - 8) / 24)
    opened = ((hour >= 9) & (hour < 20)).astype(float)
    return np.stack([np.ones(BUCKETS_PER_WEEK), day, opened], axis=1)[:, np.arange(series) % len(SHAPES)]


@dataclass
class Changes:
    """Planted changes, one row of each array a change of one series: sizes are shares of a count, or points."""

    series: Ints
    start: Ints
    end: Ints
    size: Floats

    @classmethod
    def none(cls) -> "Changes":
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty, np.zeros(0))

    def sizes(self, first: int, length: int, series: int) -> Floats:
        """How much is changed in buckets from `first` on; shape (length, series)."""
        found = np.zeros((length, series))
        for at in np.flatnonzero((self.start < first + length) & (self.end > first)):
            found[max(self.start[at] - first, 0) : max(self.end[at] - first, 0), self.series[at]] += self.size[at]
        return found


@dataclass
class Wander:
    """A level that wanders: AR(1) with this standard deviation and a time constant of three hours."""

    sd: float
    series: int
    level: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.level = np.zeros(self.series)

    def block(self, rng: np.random.Generator, length: int) -> Floats:
        keep = np.exp(-1 / (3 * BUCKETS_PER_HOUR))
        levels = np.empty((length, self.series))
        noise = rng.standard_normal((length, self.series)) * self.sd * np.sqrt(1 - keep**2)
        for at in range(length):
            self.level = keep * self.level + noise[at]
            levels[at] = self.level
        return levels


@dataclass
class Traffic:
    """hourly: events or answers at the shape's largest, shape (series,). dispersion: variance ÷ mean of counts."""

    hourly: Floats
    dispersion: Floats | float = 1.0
    changes: Changes = field(default_factory=Changes.none)
    wander_sd: float = 0.0
    answers: tuple[Floats, Floats] | None = None  # values and shares of the bins, the lowest first
    shape: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.shape = shapes(len(self.hourly))

    def rates(self) -> Floats:
        """Events of each slot; shape (2,016, series)."""
        rates: Floats = self.shape * self.hourly / BUCKETS_PER_HOUR
        return rates

    def buckets(self, rng: np.random.Generator, weeks: int) -> Iterator[Floats]:
        """Each bucket's counts (series,), or answers by bin (bins, series)."""
        draw: Callable[[np.random.Generator, int, Floats], Floats] = self._answers if self.answers else self._counts
        wander = Wander(self.wander_sd, len(self.hourly))
        for day in range(7 * weeks):
            levels = wander.block(rng, BUCKETS_PER_DAY) if self.wander_sd else np.zeros((BUCKETS_PER_DAY, 1))
            yield from draw(rng, day * BUCKETS_PER_DAY, levels)

    def _counts(self, rng: np.random.Generator, first: int, levels: Floats) -> Floats:
        slots = np.arange(first, first + BUCKETS_PER_DAY) % BUCKETS_PER_WEEK
        changed = self.changes.sizes(first, BUCKETS_PER_DAY, len(self.hourly))
        mean = self.shape[slots] * (self.hourly / BUCKETS_PER_HOUR) * (1 + changed) * np.maximum(1 + levels, 0)
        if np.all(np.asarray(self.dispersion) == 1.0):
            return rng.poisson(mean).astype(float)
        over = np.maximum(np.asarray(self.dispersion) - 1, 1e-9)
        clustered: Floats = rng.poisson(rng.standard_gamma(mean / over) * over).astype(float)
        return clustered

    def _answers(self, rng: np.random.Generator, first: int, levels: Floats) -> Floats:
        assert self.answers is not None
        _, shares = self.answers
        slots = np.arange(first, first + BUCKETS_PER_DAY) % BUCKETS_PER_WEEK
        number = rng.poisson(self.shape[slots] * (self.hourly / BUCKETS_PER_HOUR))
        moved = self.changes.sizes(first, BUCKETS_PER_DAY, len(self.hourly)) + levels  # points, negative for a drop
        span = 100.0 * (len(shares) - 1)
        lowest = np.clip(shares[0] - moved / span, 0, 1)
        low = rng.binomial(number, lowest)
        if len(shares) == len(CSAT_SHARES):
            return np.stack([low, number - low], axis=1).astype(float)
        highest = np.clip(shares[-1] + moved / span, 0, 1)
        high = rng.binomial(number - low, np.clip(highest / np.maximum(1 - lowest, 1e-9), 0, 1))
        return np.stack([low, number - low - high, high], axis=1).astype(float)
