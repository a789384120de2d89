"""States of alerts, and when they change: from evidence to firing, and from evidence back."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np

from touchstream.streams.watch.evidence.buckets import Bools, Floats, Ints
from touchstream.streams.watch.evidence.detector import Detector
from touchstream.streams.watch.evidence.effect import ESTIMATE_SHARE, Effect
from touchstream.streams.watch.evidence.threshold import RECOVERY_EVIDENCE


class AlertState(IntEnum):
    """How a series stands by a rule after a bucket.

    learning: its baseline is not known yet. ok. pending: the evidence is there, not for long enough. firing.
    recovering: firing, with evidence of the way back. resolved, expired: ended in this bucket, by recovery or because
    the change is the norm now. no_data: its feed is silent. unable: it can never fire in this traffic.
    """

    LEARNING = 0
    OK = 1
    PENDING = 2
    FIRING = 3
    RECOVERING = 4
    RESOLVED = 5
    EXPIRED = 6
    NO_DATA = 7
    UNABLE = 8


# As plain integers: arrays are compared with them in every bucket.
_LEARNING, _OK, _PENDING, _FIRING, _RECOVERING, _RESOLVED, _EXPIRED, _NO_DATA, _UNABLE = (
    int(each) for each in AlertState
)


@dataclass(frozen=True)
class Gates:
    """What one bucket says of each series; shapes (series,).

    learning: its baseline is not known. muted: its feed is silent. held: its feed may be silent, so that it doesn't
    begin to fire. unable: it can never fire.
    """

    learning: Bools
    muted: Bools
    held: Bools
    unable: Bools


@dataclass
class Lifecycle:
    """The state, since when, and the evidence of the way back with its sums since it began; shapes (series,)."""

    state: Ints
    since: Ints
    back: Floats
    back_since: Ints
    back_change: Floats
    back_base: Floats

    @classmethod
    def fresh(cls, series: int, number: int) -> Self:
        """All learning, after bucket `number`."""

        def whole(value: int) -> Ints:
            return np.full(series, value, dtype=np.int64)

        zeros = np.zeros(series)
        return cls(whole(AlertState.LEARNING), whole(number), zeros, whole(number), zeros.copy(), zeros.copy())

    @property
    def firing(self) -> Bools:
        """Which series fire, recovering or not."""
        return _is_firing(self.state)

    def recover(self, number: int, evidence: Floats, change: Floats, base: Floats) -> None:
        """Add what bucket `number` says of the way back of firing series; in place."""
        back = self.back + evidence
        going = self.firing & (back > 0)
        self.back = np.where(going, back, 0.0)
        self.back_since = np.where(going, self.back_since, number)
        self.back_change = np.where(going, self.back_change + change, 0.0)
        self.back_base = np.where(going, self.back_base + base, 0.0)

    def advance(self, number: int, effect: Effect, h: float, detector: Detector, gates: Gates) -> Ints:
        """Go to the states after bucket `number`, and return them; in place."""
        old, firing = self.state, self.firing
        idle = ~firing & ~gates.muted
        new = np.where((old == _RESOLVED) | (old == _EXPIRED) | idle, _OK, old)
        candidates = idle & ~gates.learning & ~gates.unable & (detector.strongest(number) >= h)
        new = np.where(candidates & self._gated(number, effect, detector, candidates), _PENDING, new)
        new = np.where(idle & gates.learning, _LEARNING, new)
        new = np.where(idle & gates.unable, _UNABLE, new)
        new = np.where(~firing & gates.muted, _NO_DATA, new)
        since = np.where(new == old, self.since, number)
        fires = (new == _PENDING) & (number - since >= effect.pending_for) & ~gates.held
        new = np.where(fires, _FIRING, new)
        new = np.where(firing & ~gates.muted, self._way_back(number, effect), new)
        still = firing & _is_firing(new)
        new = np.where(still & (number - self.since >= effect.expires), _EXPIRED, new)
        goes_on = (new == old) | (still & _is_firing(new))
        self.since = np.where(goes_on, self.since, np.where(fires, number, since))
        self.state = new
        return new

    def _gated(self, number: int, effect: Effect, detector: Detector, candidates: Bools) -> Bools:
        """Which candidates have changed by enough, on enough: an effect and a volume beside the evidence."""
        passed = np.zeros(len(candidates), dtype=bool)
        which = np.flatnonzero(candidates)
        if len(which):
            _, change, base = detector.since_onset(number, which)
            passed[which] = (change >= ESTIMATE_SHARE * effect.size * base) & (base >= effect.min_n)
        return passed

    def _way_back(self, number: int, effect: Effect) -> Ints:
        """Firing series: resolved with evidence, an estimate near enough, and time; recovering with half of that."""
        near = self.back_change <= effect.recover * effect.size * self.back_base
        long = number - self.back_since >= effect.keep_firing_for
        resolved = near & long & (self.back >= RECOVERY_EVIDENCE)
        recovering = near & (self.back >= RECOVERY_EVIDENCE / 2)
        states: Ints = np.where(resolved, _RESOLVED, np.where(recovering, _RECOVERING, _FIRING))
        return states


def _is_firing(state: Ints) -> Bools:
    firing: Bools = (state == _FIRING) | (state == _RECOVERING)
    return firing
