"""One rule over many series, bucket by bucket: what `watch` gives, and what it gets."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from touchstream.streams.watch.evidence.baseline import CountBaseline
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_HOUR, Bools, Floats, Ints, Moment
from touchstream.streams.watch.evidence.detector import Detector
from touchstream.streams.watch.evidence.dispersion import Dispersion
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.likelihood import AnswerLikelihood, CountLikelihood, moments
from touchstream.streams.watch.evidence.reference import Reference
from touchstream.streams.watch.evidence.states import AlertState, Gates, Lifecycle


@dataclass(frozen=True)
class Judged:
    """What a bucket says; shapes (series,).

    state: `AlertState`, and before: that before the bucket. evidence: C. expected: μ, or the reference's mean.
    entered: what the baseline took, NaN for nothing.
    """

    state: Ints
    before: Ints
    evidence: Floats
    expected: Floats
    entered: Floats

    @property
    def fired(self) -> Bools:
        """Which series began to fire in this bucket."""
        fired: Bools = (
            (self.state == AlertState.FIRING)
            & (self.before != AlertState.FIRING)
            & (self.before != AlertState.RECOVERING)
        )
        return fired


@dataclass(frozen=True)
class Flags:
    """What the caller knows of each series; shapes (series,).

    muted: its feed is silent. held: its feed may be. unable: it can never fire.
    """

    muted: Bools
    held: Bools
    unable: Bools

    @classmethod
    def none(cls, series: int) -> Self:
        """None of it, for all."""
        nothing = np.zeros(series, dtype=bool)
        return cls(nothing, nothing, nothing)


@dataclass
class CountJudge:
    """A rule on counts: baseline, evidence and state of each series; buckets must come without a gap."""

    effect: Effect
    h: float
    baseline: CountBaseline
    detector: Detector
    lifecycle: Lifecycle
    likelihood: CountLikelihood = field(init=False)

    def __post_init__(self) -> None:
        self.recompute()

    def recompute(self) -> None:
        """Compute what is derived from the state: called after a stored state was put in place."""
        self.likelihood = CountLikelihood.of(self.effect, self.baseline.spread)

    @classmethod
    def fresh(cls, effect: Effect, h: float, series: int, number: int) -> Self:
        """Before the first bucket, which is `number` + 1."""
        detector = Detector.fresh(effect.within, len(effect.relative_sizes), series, number)
        return cls(effect, h, CountBaseline.unknown(series), detector, Lifecycle.fresh(series, number))

    def step(self, moment: Moment, counts: Floats, flags: Flags | None = None) -> Judged:
        """Judge a bucket: counts (series,), NaN where a series was not watched. In place."""
        mu = self.baseline.expected(moment)
        if moment.slot % BUCKETS_PER_HOUR == 0:
            self.recompute()
        flags = flags or Flags.none(len(counts))
        quiet = flags.muted | np.isnan(counts)
        gates = Gates(self.baseline.season.learning, quiet, flags.held, flags.unable)
        forget_before(moment.number, flags.muted, self.detector, self.lifecycle)
        idle = quiet | gates.learning
        x, base = np.where(idle, 0.0, counts), np.where(idle, 0.0, mu)
        change = self.effect.sign * (x - base)
        before, was_firing = self.lifecycle.state, self.lifecycle.firing
        if not idle.all():  # while all learn there is nothing to add
            self.detector.add(moment.number, self.likelihood.evidence(x, base), change, base)
        self.lifecycle.recover(moment.number, self.likelihood.recovery(x, base), change, base)
        evidence = self.detector.strongest(moment.number)
        state = self.lifecycle.advance(moment.number, self.effect, self.h, self.detector, gates)
        self._ended(moment, state)
        entered = self.baseline.take(moment, counts, mu, self.lifecycle.firing | was_firing | quiet | flags.held)
        return Judged(state, before, evidence, mu, entered)

    def _ended(self, moment: Moment, state: Ints) -> None:
        """An alert that is over begins anew; one that is the norm now moves the level first."""
        ended = (state == AlertState.RESOLVED) | (state == AlertState.EXPIRED)
        if not ended.any():
            return
        change, base = self.detector.over_span(moment.number)
        ratio = np.maximum(1 + self.effect.sign * change / np.maximum(base, 1e-9), 0.01)
        self.baseline.season.accept(state == AlertState.EXPIRED, ratio)
        self.detector.restart(moment.number, ended)


@dataclass
class AnswerJudge:
    """A rule on answers or shares: reference, dispersion, evidence and state; buckets must come without a gap.

    values (J,): of the bins. deff (series,): design effect. residual (2, series): sum of deviations and number of
    answers of the hour at hand.
    """

    effect: Effect
    h: float
    reference: Reference
    dispersion: Dispersion
    detector: Detector
    lifecycle: Lifecycle
    residual: Floats
    deff: Floats
    values: Floats = field(metadata={"shared": True})
    likelihood: AnswerLikelihood = field(init=False)

    def __post_init__(self) -> None:
        self.recompute()

    @classmethod
    def fresh(cls, effect: Effect, h: float, values: Floats, deff: Floats, number: int) -> Self:
        """Before the first bucket, which is `number` + 1; deff, shape (series,), gives the number of series."""
        series = len(deff)
        return cls(
            effect,
            h,
            Reference.unknown(len(values), series),
            Dispersion.unknown(series),
            Detector.fresh(effect.within, 5, series, number),
            Lifecycle.fresh(series, number),
            np.zeros((2, series)),
            deff,
            values,
        )

    @property
    def spread(self) -> Floats:
        """Variance of a sum of answers ÷ that of independent ones: the larger of φ and design effect; (series,)."""
        return np.maximum(self.dispersion.phi, self.deff)

    def step(self, moment: Moment, answers: Floats, flags: Flags | None = None) -> Judged:
        """Judge a bucket: answers by bin (J, series). In place."""
        n, total = answers.sum(axis=0), self.values @ answers
        flags = flags or Flags.none(len(n))
        quiet = flags.muted
        gates = Gates(self.reference.learning, quiet, flags.held, flags.unable)
        forget_before(moment.number, flags.muted, self.detector, self.lifecycle)
        idle = quiet | gates.learning
        judged_n, judged_total = np.where(idle, 0.0, n), np.where(idle, 0.0, total)
        shift = judged_total - judged_n * self.likelihood.mean
        before, was_firing = self.lifecycle.state, self.lifecycle.firing
        evidence = self.likelihood.evidence(judged_total, judged_n)
        change = self.effect.sign * shift
        self.detector.add(moment.number, evidence, change, judged_n)
        back = self.likelihood.recovery(judged_total, judged_n)
        self.lifecycle.recover(moment.number, back, change, judged_n)
        strongest = self.detector.strongest(moment.number)
        state = self.lifecycle.advance(moment.number, self.effect, self.h, self.detector, gates)
        expected = self.likelihood.mean
        self._turned(moment, state, was_firing)
        frozen = self.lifecycle.firing | was_firing | quiet | flags.held
        self._learn(moment, np.where(frozen, np.nan, total), n)
        self.reference.enter(moment, answers, frozen)
        if moment.number % BUCKETS_PER_HOUR == BUCKETS_PER_HOUR - 1:
            self.recompute()
        return Judged(state, before, strongest, expected, np.where(frozen, np.nan, n))

    def _turned(self, moment: Moment, state: Ints, was_firing: Bools) -> None:
        """What fires leaves the reference as it was before its onset; what is over begins anew."""
        began = self.lifecycle.firing & ~was_firing
        if began.any():
            which = np.flatnonzero(began)
            since = np.zeros(len(state), dtype=np.int64)
            since[which] = self.detector.since_onset(moment.number, which)[0]
            self.reference.leave_out(moment, since, began)
        ended = (state == AlertState.RESOLVED) | (state == AlertState.EXPIRED)
        if not ended.any():
            return
        expired = state == AlertState.EXPIRED
        if expired.any():
            change, base = self.detector.over_span(moment.number)
            moved = self.effect.sign * change / np.maximum(base, 1.0)
            self.reference.accept(expired, shifted(self.values, self.reference.histogram, moved))
            self.recompute()
        self.detector.restart(moment.number, ended)

    def recompute(self) -> None:
        """Compute what is derived from the state: each hour, and after a stored state was put in place."""
        spread = self.spread
        slack = self.reference.slack(self.effect, self.values, spread)
        histogram = self.reference.histogram
        self.likelihood = AnswerLikelihood.of(self.effect, self.values, histogram, slack, spread)

    def _learn(self, moment: Moment, totals: Floats, n: Floats) -> None:
        """Add to the residual of the hour, and, at its end, to the dispersion."""
        self.residual = self.residual + np.stack([totals - n * self.likelihood.mean, n])
        if moment.number % BUCKETS_PER_HOUR == BUCKETS_PER_HOUR - 1:
            shift, answers = self.residual
            _, _, variance = moments(self.values, self.reference.histogram)
            known = self.reference.histogram.sum(axis=0)
            uncertain = 1 + answers / np.maximum(known, 1)
            squares = shift**2 / np.maximum(answers * variance * uncertain, 1e-9)
            usable = (answers >= 5) & ~np.isnan(shift) & (known >= 100)
            self.dispersion.learn(np.where(usable, squares, 0.0), usable)
            self.residual = np.zeros_like(self.residual)


def forget_before(number: int, muted: Bools, detector: Detector, lifecycle: Lifecycle) -> None:
    """Where a silence begins, forget what the buckets before bucket `number` said: it had begun in them. In place."""
    begins = muted & ~lifecycle.firing & (lifecycle.state != AlertState.NO_DATA)
    if begins.any():
        detector.restart(number - 1, begins)


def shifted(values: Floats, histogram: Floats, moved: Floats) -> Floats:
    """A histogram, (J, series), tilted so that its mean moves by `moved` (series,): by Newton's method, to 1 %."""
    shares, mean, variance = moments(values, histogram)
    x = values[:, None] - mean
    low, high = x.min(axis=0), x.max(axis=0)
    wanted = np.clip(moved, 0.95 * low, 0.95 * high)
    theta = wanted / variance
    tilted = shares
    for _ in range(20):
        tilted = shares * np.exp(np.clip(theta * x, -50, 50))
        tilted = tilted / tilted.sum(axis=0)
        now = (x * tilted).sum(axis=0)
        spread = np.maximum((x**2 * tilted).sum(axis=0) - now**2, 1e-3 * variance)
        theta = theta + (wanted - now) / spread
    result: Floats = tilted * histogram.sum(axis=0)
    return result
