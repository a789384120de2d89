"""What a count is expected to be: a level times the shape of a local week, from up to four weeks."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from touchstream.streams.watch.evidence.buckets import (
    BUCKETS_PER_DAY,
    BUCKETS_PER_HOUR,
    BUCKETS_PER_WEEK,
    Bools,
    Floats,
    Ints,
    Moment,
)

WEEKS: Final = 4
"""Weeks that a slot is taken from: enough to leave out the highest and the lowest."""
LEARNING: Final = 2 * BUCKETS_PER_WEEK
"""Buckets before a series is judged: with one week, an incident in it would be the norm."""
LEVEL_HALF_LIFE: Final = 3 * BUCKETS_PER_DAY
"""Days, so that a level follows growth, and hardly the drop that is to be found."""
_DECAY: Final = 0.5 ** (1 / LEVEL_HALF_LIFE)
_PRIOR: Final = 10.0  # events that hold a new level at 1
_REACH: Final = 6  # slots on each side that may be averaged: an hour in all
_HALVES: Final = (1, 2, 3, 6)
_AGREE: Final = (
    3.0  # standard errors within which neighbours are one; at 2 the slot that stays alone is noise, by selection
)
_ODD: Final = 3.5  # standard errors from the others beyond which a week's hour is left out


@dataclass
class Season:
    """μ = level · slot of the week.

    history (weeks, 2,016, series): what entered for each slot, NaN where nothing did. buckets (series,): how many have
    entered. level_counts, level_slots (series,): decaying sums whose ratio is the level. slots (12, series) and weeks
    (series,): the shape of the hour at hand, and of how many weeks it is.
    """

    history: NDArray[np.float32]
    buckets: Ints
    level_counts: Floats
    level_slots: Floats
    slots: Floats
    weeks: Ints

    @classmethod
    def unknown(cls, series: int) -> Self:
        """Nothing learnt yet."""
        return cls(
            np.full((WEEKS, BUCKETS_PER_WEEK, series), np.nan, dtype=np.float32),
            np.zeros(series, dtype=np.int64),
            np.zeros(series),
            np.zeros(series),
            np.zeros((BUCKETS_PER_HOUR, series)),
            np.zeros(series, dtype=np.int64),
        )

    def expected(self, moment: Moment, dispersion: Floats) -> Floats:
        """μ of a bucket, 0 where nothing is known; shape (series,). Must be asked before the bucket enters."""
        within_hour = moment.slot % BUCKETS_PER_HOUR
        if within_hour == 0:
            self._shape(moment.slot, dispersion)
        expected: Floats = self.level * self.slots[within_hour]
        return expected

    @property
    def level(self) -> Floats:
        """How high the series is against its shape; shape (series,)."""
        level: Floats = (self.level_counts + _PRIOR) / (self.level_slots + _PRIOR)
        return level

    @property
    def uncertainty(self) -> Floats:
        """Variance of the baseline ÷ variance of what it is compared with; shape (series,)."""
        uncertainty: Floats = 1 / np.maximum(self.weeks, 1)
        return uncertainty

    @property
    def learning(self) -> Bools:
        """Which series are not to be judged yet; shape (series,)."""
        learning: Bools = (self.buckets < LEARNING) | (self.weeks == 0)
        return learning

    def enter(self, moment: Moment, counts: Floats) -> None:
        """Take what a bucket counted, or, where it fired or was muted, what was expected; NaN: nothing. In place."""
        here = ~np.isnan(counts)
        self.history[moment.week % WEEKS, moment.slot] = counts
        self.buckets += here
        here &= self.weeks > 0
        self.level_counts = _DECAY * self.level_counts + np.where(here, counts, 0.0)
        self.level_slots = _DECAY * self.level_slots + np.where(here, self.slots[moment.slot % BUCKETS_PER_HOUR], 0.0)

    def accept(self, which: Bools, ratio: Floats) -> None:
        """Make the level of some series `ratio` times what it was: a change that lasted is the norm. In place."""
        self.level_counts = np.where(which, self.level_counts * ratio, self.level_counts)

    def _shape(self, first: int, dispersion: Floats) -> None:
        """Compute the slots of an hour from the weeks that agree, smoothed where neighbours agree."""
        around = np.arange(first - _REACH, first + BUCKETS_PER_HOUR + _REACH) % BUCKETS_PER_WEEK
        seen = self.history[:, around]
        known = ~np.isnan(seen)
        hour = slice(_REACH, _REACH + BUCKETS_PER_HOUR)
        totals: Floats = np.where(known, seen, 0.0)[:, hour].sum(axis=1)
        usual = usual_weeks(totals, np.any(known[:, hour], axis=1), dispersion)
        self.weeks = usual.sum(axis=0)
        used = known & usual[:, None]
        number = used.sum(axis=0)
        means = np.where(used, seen, 0).sum(axis=0, dtype=np.float64) / np.maximum(number, 1)
        self.slots = smoothed(means, dispersion * self.uncertainty)


def usual_weeks(totals: Floats, known: Bools, dispersion: Floats) -> Bools:
    """Which weeks count for an hour: those within three standard errors of the inner ones; shapes (weeks, series).

    The inner ones are two of four, the middle of three, and else all. Of two weeks neither can be called odd.
    """
    number = known.sum(axis=0)
    rank = np.where(known, totals, np.inf).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    inner = known & ((number < 3) | ((rank > 0) & (rank < number - 1)))
    middle = np.where(inner, totals, 0.0).sum(axis=0) / np.maximum(inner.sum(axis=0), 1)
    within = (totals - middle) ** 2 <= _ODD**2 * dispersion * (middle + 1)
    usual: Bools = known & ((number < 3) | inner | within)
    return usual


def smoothed(means: Floats, spread: Floats) -> Floats:
    """Means of slots, averaged with their neighbours up to half an hour away as long as these agree; sharp at edges.

    means: shape (6 + slots + 6, series); spread (series,): variance of a mean ÷ the mean. A window grows as long as
    its two halves, and its middle, differ by at most three standard errors (Lepski's rule, for counts).
    """
    length = len(means) - 2 * _REACH
    sums = np.concatenate([np.zeros((1, means.shape[1])), means.cumsum(axis=0)])
    place = np.arange(_REACH, _REACH + length)
    middle = means[place]
    result, agree = middle.copy(), np.ones(middle.shape, dtype=bool)
    for half in _HALVES:
        left = sums[place] - sums[place - half]
        right = sums[place + half + 1] - sums[place + 1]
        both = left + right
        agree &= (right - left) ** 2 <= _AGREE**2 * spread * both
        agree &= (middle - both / (2 * half)) ** 2 <= _AGREE**2 * spread * (middle + both / (2 * half) ** 2)
        result = np.where(agree, (both + middle) / (2 * half + 1), result)
    return result
