"""The e-detector: evidence since the change-point that explains most, within a span."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import Bools, Floats, Ints


@dataclass
class Detector:
    """C = the largest sum of evidence over a span that ends now and is no longer than `within` buckets.

    Shapes, with W = within + 1 instants that are remembered, K detectors: evidence (W, K, series), change and base
    (W, series) are running sums; lowest (K, series) is the smallest running sum of evidence of the span, and onset
    (K, series) the bucket at whose end it was. Not more than the CUSUM C ← max(0, C + ℓ), whose average run length is
    at least e^h (Shin, Ramdas and Rinaldo, arXiv 2203.03532).
    """

    evidence: Floats
    change: Floats
    base: Floats
    lowest: Floats
    onset: Ints

    @classmethod
    def fresh(cls, within: int, detectors: int, series: int, number: int) -> Self:
        """Without any evidence, after bucket `number`."""
        return cls(
            np.zeros((within + 1, detectors, series)),
            np.zeros((within + 1, series)),
            np.zeros((within + 1, series)),
            np.zeros((detectors, series)),
            np.full((detectors, series), number, dtype=np.int64),
        )

    def add(self, number: int, evidence: Floats, change: Floats, base: Floats) -> None:
        """Add what bucket `number`, the one after the last, says; in place.

        evidence: (K, series). change ÷ base, added up, is the estimated change; shapes (series,).
        """
        remembered = len(self.evidence)
        now, before = number % remembered, (number - 1) % remembered
        if now == 0:
            self._rebase(before)
        sums = self.evidence[before] + evidence
        self.evidence[now] = sums
        self.change[now] = self.change[before] + change
        self.base[now] = self.base[before] + base
        ended = sums <= self.lowest
        self.lowest = np.where(ended, sums, self.lowest)
        self.onset = np.where(ended, number, self.onset)
        old = self.onset <= number - remembered
        if old.any():
            self._forget(number, old)

    def strongest(self, number: int) -> Floats:
        """C after bucket `number`, of the detector with the most; shape (series,)."""
        strongest: Floats = (self.evidence[number % len(self.evidence)] - self.lowest).max(axis=0)
        return strongest

    def since_onset(self, number: int, which: Ints) -> tuple[Ints, Floats, Floats]:
        """Onset, sum of changes and sum of bases since then, of the series `which`, by their strongest detector."""
        remembered = len(self.evidence)
        now = number % remembered
        best = (self.evidence[now][:, which] - self.lowest[:, which]).argmax(axis=0)
        onset = self.onset[best, which]
        then = onset % remembered
        change = self.change[now, which] - self.change[then, which]
        return onset, change, self.base[now, which] - self.base[then, which]

    def over_span(self, number: int) -> tuple[Floats, Floats]:
        """Sums of changes and of bases over the whole span; shapes (series,)."""
        now, oldest = number % len(self.evidence), (number + 1) % len(self.evidence)
        return self.change[now] - self.change[oldest], self.base[now] - self.base[oldest]

    def restart(self, number: int, which: Bools) -> None:
        """Forget all evidence of some series up to bucket `number`; in place."""
        for sums in (self.evidence, self.change, self.base):
            sums[..., which] = 0.0
        self.lowest[:, which] = 0.0
        self.onset[:, which] = number

    def _rebase(self, before: int) -> None:
        """Subtract what all sums have in common, so that they stay small and exact over years."""
        self.lowest -= self.evidence[before]
        for sums in (self.evidence, self.change, self.base):
            sums -= sums[before].copy()

    def _forget(self, number: int, old: Bools) -> None:
        """Where the onset has left the span, find the lowest sum of what is left of it."""
        remembered = len(self.evidence)
        detectors, series = np.nonzero(old)
        # In the order of time, and backwards: of equal sums the latest is the onset.
        order = np.arange(number, number - remembered, -1)
        sums = self.evidence[(order % remembered)[:, None], detectors, series]
        place = sums.argmin(axis=0)
        self.lowest[detectors, series] = sums[place, np.arange(len(place))]
        self.onset[detectors, series] = order[place]
