"""What answers and shares are held against: the histogram of the last 14 days less the last 6 hours."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_HOUR, Bools, Floats, Ints, Moment
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.likelihood import moments

HOURS: Final = 14 * 24
HELD_BACK: Final = 6
"""Hours that are not in the reference yet: a change is to be found before it is the norm."""
LEARNING: Final = HOURS * BUCKETS_PER_HOUR
_ENOUGH: Final = 64.0  # times (σ/δ)² answers: the standard error is then an eighth of the effect
DURATION_QUANTILE: Final = 0.95


@dataclass
class Reference:
    """Answers by hour, and the histogram that is held against; J bins.

    hours (336, J, series): answers of each hour, by hour number modulo 336. current (J, series): of the hour at hand.
    histogram (J, series). buckets (series,): how many have been seen.
    """

    hours: Floats
    current: Floats
    histogram: Floats
    buckets: Ints

    @classmethod
    def unknown(cls, bins: int, series: int) -> Self:
        """Nothing learnt yet."""
        empty = np.zeros((bins, series))
        return cls(np.zeros((HOURS, bins, series)), empty, empty.copy(), np.zeros(series, dtype=np.int64))

    def enter(self, moment: Moment, answers: Floats, frozen: Bools) -> None:
        """Take a bucket's answers by bin, shape (J, series); none where `frozen`, whose histogram stays. In place."""
        self.current = self.current + np.where(frozen, 0.0, answers)
        self.buckets += 1
        if moment.number % BUCKETS_PER_HOUR != BUCKETS_PER_HOUR - 1:
            return
        hour = moment.number // BUCKETS_PER_HOUR
        self.hours[hour % HOURS] = self.current
        self.current = np.zeros_like(self.current)
        young = (hour - np.arange(HELD_BACK)) % HOURS
        kept = self.hours.sum(axis=0) - self.hours[young].sum(axis=0)
        self.histogram = np.where(frozen, self.histogram, kept)

    def leave_out(self, moment: Moment, since: Ints, which: Bools) -> None:
        """Take out of some series what entered after bucket `since`, up to the hours held back. In place."""
        self.current[:, which] = 0.0
        hour = moment.number // BUCKETS_PER_HOUR
        for back in range(HELD_BACK + 1):
            after = which & (since < (hour - back + 1) * BUCKETS_PER_HOUR - 1)
            self.hours[(hour - back) % HOURS][:, after] = 0.0

    def accept(self, which: Bools, histogram: Floats) -> None:
        """Make a change that lasted the norm: the past is `histogram`, (J, series), for some series. In place."""
        self.hours[:, :, which] = histogram[:, which] / HOURS
        self.histogram = np.where(which, histogram, self.histogram)

    @property
    def learning(self) -> Bools:
        """Which series are not to be judged yet; shape (series,)."""
        learning: Bools = (self.buckets < LEARNING) | (self.histogram.sum(axis=0) < 1)
        return learning

    def slack(self, effect: Effect, values: Floats, dispersion: Floats) -> Floats:
        """How far the reference may be off, in units of the values: 1 standard error, 2 where it is thin; (series,)."""
        _, _, variance = moments(values, self.histogram)
        answers = self.histogram.sum(axis=0)
        thin = answers < _ENOUGH * variance / effect.size**2
        slack: Floats = np.where(thin, 2.0, 1.0) * np.sqrt(dispersion * variance / np.maximum(answers, 1))
        return slack


def share_above(reference: Floats, bucket: Floats) -> tuple[Floats, float]:
    """Durations as a share: how many of a bucket are above the reference's 95th percentile.

    reference: durations by ascending bin, shape (bins,). bucket: the same, shape (bins, series). Returns counts of
    (not above, above), shape (2, series), and the share of the reference that is above. Raises ValueError where the
    reference is empty.
    """
    total = reference.sum()
    if total <= 0:
        raise ValueError("the reference has no durations: there is no 95th percentile")
    upto = int(np.searchsorted(reference.cumsum(), DURATION_QUANTILE * total)) + 1
    above = bucket[upto:].sum(axis=0)
    return np.stack([bucket[:upto].sum(axis=0), above]), float(reference[upto:].sum() / total)
