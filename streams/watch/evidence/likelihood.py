"""Evidence of one bucket: logarithms of e-values, whose mean under the baseline is at most 1."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import Floats
from touchstream.streams.watch.evidence.effect import MIXTURE, Effect

_ROOM = 0.9  # how near (φ−1)(eᵗ−1) may come to 1, where the negative binomial has no exponential moment any more


@dataclass(frozen=True)
class CountLikelihood:
    """ℓ = tilt · x + offset · μ for K detectors of each series; shapes (K, series).

    Under a negative binomial with mean μ and variance φμ, E[e^(t·x)] = (1 − (φ−1)(eᵗ−1))^(−μ/(φ−1)), so that
    ℓ = t·x + μ·ln(1 − (φ−1)(eᵗ−1))/(φ−1) has E[e^ℓ] = 1; for φ = 1 it is Poisson's t·x − μ(eᵗ−1).
    t = ln(1 ± δ)/φ, the Poisson tilt, tempered.
    """

    tilt: Floats
    offset: Floats

    @classmethod
    def of(cls, effect: Effect, dispersion: Floats) -> Self:
        """For series of these dispersions φ ≥ 1, shape (series,)."""
        deltas = np.array(effect.relative_sizes)[:, None]
        tilt = np.log1p(effect.sign * deltas) / dispersion
        over = np.maximum(dispersion - 1, 1e-9)
        tilt = np.minimum(tilt, np.log1p(_ROOM / over))
        return cls(tilt, np.log1p(-over * np.expm1(tilt)) / over)

    def evidence(self, counts: Floats, expected: Floats) -> Floats:
        """ℓ of a bucket with `counts` events where `expected` were; shapes (series,) to (K, series)."""
        evidence: Floats = self.tilt * counts + self.offset * expected
        return evidence

    def recovery(self, counts: Floats, expected: Floats) -> Floats:
        """Evidence that the series is at its baseline and not changed by the effect; shape (series,)."""
        back: Floats = -(self.tilt[0] * counts + self.offset[0] * expected)
        return back


@dataclass(frozen=True)
class AnswerLikelihood:
    """ℓ of a sum of answers, by exponential tilting of a reference histogram; K detectors of each series.

    ℓ = [θ·s·Σx − θ·n·slack − n·ψ(θ)]/φ, with x the answers less the mean of the reference, s = ±1 the direction, and
    ψ(θ) = ln E[e^(θ·s·x)] under the reference, so that E[e^ℓ] ≤ 1 for φ ≥ 1. θ = k·Δ/σ². Shapes: theta, psi
    (K, series); mean, slack, dispersion (series,).
    """

    theta: Floats
    psi: Floats
    mean: Floats
    slack: Floats
    dispersion: Floats
    sign: int

    @classmethod
    def of(cls, effect: Effect, values: Floats, histogram: Floats, slack: Floats, dispersion: Floats) -> Self:
        """values: of the bins, shape (bins,). histogram: answers of the reference, shape (bins, series)."""
        shares, mean, variance = moments(values, histogram)
        theta = np.array(MIXTURE)[:, None] * effect.size / variance
        x = effect.sign * (values[:, None] - mean)
        # A deep tilt of a wide scale would overflow for no use: evidence is in the first few units of θ·x.
        theta = np.minimum(theta, 50.0 / np.maximum(np.abs(x).max(axis=0), 1e-9))
        psi = np.log(np.einsum("jks,js->ks", np.exp(theta[None] * x[:, None, :]), shares))
        return cls(theta, psi, mean, slack, dispersion, effect.sign)

    def evidence(self, totals: Floats, answers: Floats) -> Floats:
        """ℓ of a bucket whose `answers` have the sum `totals`; shapes (series,) to (K, series)."""
        shift = self.sign * (totals - answers * self.mean) - answers * self.slack
        evidence: Floats = (self.theta * shift - answers * self.psi) / self.dispersion
        return evidence

    def recovery(self, totals: Floats, answers: Floats) -> Floats:
        """Evidence that the series is at its baseline, the slack counting against it; shape (series,)."""
        shift = self.sign * (totals - answers * self.mean) + answers * self.slack
        back: Floats = (answers * self.psi[0] - self.theta[0] * shift) / self.dispersion
        return back


def moments(values: Floats, histogram: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares (bins, series), mean and variance (series,) of a histogram, with half an answer more in each bin.

    The half keeps an answer that the reference has never had possible.
    """
    padded = histogram + 0.5
    shares = padded / padded.sum(axis=0)
    mean = values @ shares
    return shares, mean, (values**2) @ shares - mean**2
