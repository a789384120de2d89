"""When a feed is silent: nothing where something was expected, added up over the silence."""

from dataclasses import dataclass
from math import log
from typing import Final, Self

import numpy as np

from touchstream.streams.watch.evidence.baseline import CountBaseline
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_DAY, Bools, Floats, Ints, Moment
from touchstream.streams.watch.evidence.states import AlertState
from touchstream.streams.watch.evidence.stored import reset

DOUBT: Final = log(100)
"""Evidence from which a feed may be silent: what feeds on it doesn't begin to fire. By chance once in 100 buckets."""
BACK_SHARE: Final = 0.1
"""A silent feed is back with a bucket of at least this share of what is expected: single stragglers are no feed."""
EXPIRES: Final = 7 * BUCKETS_PER_DAY
"""Buckets of silence after which the feed is gone."""


def silence_evidence(expected: Floats, spread: Floats) -> Floats:
    """Λ of a bucket without any event; shapes (series,).

    μ·ln φ/(φ−1), μ for φ = 1: under a negative binomial with mean μ and variance φμ, the probability of nothing is
    e^−Λ. A closed shop has μ = 0, and is never silent.
    """
    over = np.maximum(spread - 1, 1e-9)
    evidence: Floats = expected * np.log1p(over) / over
    return evidence


@dataclass
class FeedJudge:
    """Feeds, bucket by bucket; shapes (series,).

    h: `threshold.silence_threshold`. evidence, missing: of the silence so far, and what was expected in it. heard: the
    last bucket with an event. paused: whether the last bucket ended in a pause that was too long for chance. doubted:
    whether the feed may be silent, so that what feeds on it must not begin to fire. state: learning, ok, firing
    (silent), resolved or expired in this bucket; since: the bucket it began with.
    """

    h: float
    baseline: CountBaseline
    evidence: Floats
    missing: Floats
    heard: Ints
    paused: Bools
    doubted: Bools
    state: Ints
    since: Ints

    @classmethod
    def fresh(cls, h: float, series: int, number: int = -1) -> Self:
        """Nothing learnt yet, before bucket `number` + 1."""
        zeros, whole = np.zeros(series), np.full(series, number, dtype=np.int64)
        nothing = np.zeros(series, dtype=bool)
        learning = np.full(series, AlertState.LEARNING, dtype=np.int64)
        return cls(
            h,
            CountBaseline.unknown(series),
            zeros,
            zeros.copy(),
            whole,
            nothing,
            nothing.copy(),
            learning,
            whole.copy(),
        )

    @property
    def silent(self) -> Bools:
        """Which feeds are silent."""
        silent: Bools = self.state == AlertState.FIRING
        return silent

    @property
    def returned(self) -> Bools:
        """Which feeds came back in the last bucket, of which they were silent for a part."""
        returned: Bools = self.state == AlertState.RESOLVED
        return returned

    @property
    def gone(self) -> Bools:
        """Which feeds have been silent for so long that they are gone, in the last bucket."""
        gone: Bools = self.state == AlertState.EXPIRED
        return gone

    @property
    def weight(self) -> Floats:
        """How much comes by each feed, against the others."""
        return self.baseline.season.level_counts

    def step(
        self, moment: Moment, counts: Floats, pauses: Floats | None = None, left_out: Bools | None = None
    ) -> Bools:
        """Which feeds are silent after a bucket. In place.

        pauses: the share of the bucket behind its last event, 0 where it isn't known. It is added to a silence that
        follows; by itself it makes a doubt only, since what comes in batches pauses in each bucket. left_out: in a span
        that is not part of what is usual: nothing is expected, and what feeds on it is held.
        """
        mu = self.baseline.expected(moment)
        nothing = np.zeros(len(counts), dtype=bool)
        left_out = nothing if left_out is None else left_out
        expected = np.where(self.baseline.season.learning | left_out, 0.0, mu)
        was_silent = self.silent
        heard = (counts > 0) & (~was_silent | (counts >= BACK_SHARE * expected))
        expected = expected * np.where(heard, 0.0 if pauses is None else pauses, 1.0)
        added = silence_evidence(expected, self.baseline.spread)
        self.evidence = np.where(heard, added, self.evidence + added)
        self.missing = np.where(heard, expected, self.missing + expected)
        self.heard = np.where(heard, moment.number, self.heard)
        self.paused = heard & (added >= DOUBT) & ~self.paused
        self.doubted = self.paused | left_out | (~heard & (self.evidence >= DOUBT))
        silent = ~heard & (self.evidence >= self.h)
        self._go_to(moment.number, silent, was_silent)
        self.baseline.take(moment, counts, mu, silent | was_silent | left_out)
        gone = self.gone
        if gone.any():
            reset(self.baseline, CountBaseline.unknown(int(gone.sum())), gone)
            self.evidence = np.where(gone, 0.0, self.evidence)
            self.missing = np.where(gone, 0.0, self.missing)
        return self.silent

    def recompute(self) -> None:
        """There is nothing that is derived from the state."""

    def _go_to(self, number: int, silent: Bools, was_silent: Bools) -> None:
        usual = np.where(self.baseline.season.learning, AlertState.LEARNING, AlertState.OK)
        state = np.where(silent, AlertState.FIRING, np.where(was_silent, AlertState.RESOLVED, usual))
        expired = silent & was_silent & (number - self.since >= EXPIRES)
        state = np.where(expired, AlertState.EXPIRED, state)
        self.since = np.where(state == self.state, self.since, number)
        self.state = state
