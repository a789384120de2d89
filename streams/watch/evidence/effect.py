"""What a rule looks for: the smallest change that matters, in which direction, within which span."""

from dataclasses import dataclass
from typing import Final

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_DAY, BUCKETS_PER_HOUR

ESTIMATE_SHARE: Final = 0.75
"""A rule fires only where the estimated change is at least this share of its effect."""
MIXTURE: Final = (1.0, 1.5, 2.0, 3.0, 4.0)
"""Changes that evidence is gathered for, as multiples of the effect: a deep drop is found sooner by its own detector.

Five detectors cost ln 5 = 1.6 of the threshold.
"""
DEEPEST_DROP: Final = 0.8
"""The deepest relative drop of a count that has a detector: silence is found as fast by it as by one of 100 %.

Three silent buckets give 3 · 0.8 = 2.4 times the expected number as evidence.
"""


@dataclass(frozen=True)
class Effect:
    """The smallest change that matters.

    size: of counts a share of what is expected, 0 < size (< 1 for drops); of answers in units of their values.
    falls: whether a drop is looked for, else a rise. within: the longest span over which evidence is added up, in
    buckets. min_n: answers, or expected events, since the change began. pending_for: how long the evidence must hold
    before it fires, in buckets. keep_firing_for: the shortest recovery, in buckets. recover: share of the effect that
    a change must come back to. expires: after how many buckets a change that lasts is the norm.
    Raises ValueError where a number is out of its range.
    """

    size: float
    falls: bool = True
    within: int = 6 * BUCKETS_PER_HOUR
    min_n: float = 50.0
    pending_for: int = 0
    keep_firing_for: int = 3
    recover: float = 0.5
    expires: int = 7 * BUCKETS_PER_DAY

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"the effect is {self.size}: it must be above 0")
        if self.within < 1:
            raise ValueError(f"within is {self.within} buckets: it must be at least 1")
        if not 0 < self.recover < 1:
            raise ValueError(f"recover is {self.recover}: it must be between 0 and 1")

    @property
    def sign(self) -> int:
        """−1 for drops, 1 for rises."""
        return -1 if self.falls else 1

    @property
    def relative_sizes(self) -> tuple[float, ...]:
        """Relative changes of a count that have a detector, the effect first. Raises ValueError for a drop of 100 %."""
        if not self.falls:
            return tuple(self.size * times for times in MIXTURE)
        if self.size >= 1:
            raise ValueError(f"a count cannot fall by {self.size:.0%}: the effect of a drop must be below 100 %")
        deepest = max(DEEPEST_DROP, (1 + self.size) / 2)
        steps = len(MIXTURE) - 1
        # Evenly in ln(1 − δ): a detector of δ is nearly as good for what lies half a step away.
        shallow, deep = 1 - self.size, 1 - deepest
        return tuple(1 - shallow * (deep / shallow) ** (step / steps) for step in range(len(MIXTURE)))
