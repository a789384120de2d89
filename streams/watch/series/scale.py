"""How unusual a number is among those that came before it: in standard deviations, and against the largest of them."""

from math import exp, inf, log1p, sqrt
from typing import Final

MEMORY: Final = 2048
"""Values that are remembered, by decay and as records: a week of five-minute values, twelve weeks of hours.

Half of it finds the same at twice the false alarms; twice as much lets one anomaly hide the next for too long.
"""
_BLOCKS: Final = 8
_BLOCK: Final = MEMORY // _BLOCKS
_SPANS_MIN: Final = 8  # independent spans before a scale judges: fewer have no spread
_TAIL: Final = 16.0  # degrees of freedom of heavy tails: 16 + 6 ÷ excess; 4 would be Student's, and blunt to all spikes
_CLIP: Final = 12.0  # spreads that are learnt of a deviation at most: one absurd value must not blind for months
_TINY: Final = 1e-150  # the fourth power of it is 0: it only keeps a quotient of zeros from being an error
_FAR: Final = 1e9  # standard deviations: further ones are all the same


class UsualScale:
    """Mean, spread and tails of one measure of a series, and its largest deviations of late.

    width: of how many values the measure is made; so many neighbours say the same thing once.
    It keeps 14 numbers, however long the series.
    """

    __slots__ = ("_count", "_fourth", "_index", "_largest", "_mean", "_record", "_variance", "_width")

    def __init__(self, width: int) -> None:
        self._width = width
        self._count = self._index = 0
        self._mean = self._variance = self._fourth = self._record = 0.0
        self._largest = [0.0] * _BLOCKS

    def judge(self, value: float, floor: float) -> float:
        """How far the value is from what is usual, in standard deviations of a normal distribution, with its sign.

        0 where that can't be known yet, and where one of the last MEMORY deviations was as large: what has just been is
        not unusual, whatever its distribution. floor: a spread below which nothing is told apart.
        """
        deviation = value - self._mean
        if abs(deviation) < self._record or not self.knows():
            return 0.0
        spread, freedom = self._tails(floor)
        away = min(abs(deviation) / spread, _FAR)
        normal = sqrt(freedom * log1p(away * away / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
        return normal if deviation >= 0 else -normal

    def band(self, threshold: float, floor: float) -> tuple[float, float] | None:
        """Between which values `judge` stays below a threshold; None where that can't be known yet."""
        if not self.knows():
            return None
        spread, freedom = self._tails(floor)
        root = threshold * (8 * freedom + 3) / (8 * freedom + 1)
        away = sqrt(freedom * (exp(min(root * root / freedom, 700.0)) - 1))
        half = max(min(away, _FAR) * spread, self._record)
        return self._mean - half, self._mean + half

    def most(self) -> float:
        """The largest deviation that is learnt in full: 12 spreads; without end where there is no spread yet."""
        return _CLIP * sqrt(self._variance) if self.knows() and self._variance > 0 else inf

    def learn(self, value: float) -> None:
        """Take a value in. Call it after `judge`, with every value."""
        self._remember(abs(value - self._mean))
        deviation = clipped(value - self._mean, self.most())
        rate = max(1 / MEMORY, 1 / (self._count + 1))
        square = deviation * deviation
        self._mean += rate * deviation
        self._variance = (1 - rate) * (self._variance + rate * square)
        self._fourth = (1 - rate) * self._fourth + rate * square * square
        self._count += 1

    def knows(self) -> bool:
        """Whether enough was seen to judge."""
        return self._count >= _SPANS_MIN * self._width

    def _remember(self, deviation: float) -> None:
        # Block maxima: the largest of the last seven blocks and of this one, in eight numbers.
        block = self._index // _BLOCK % _BLOCKS
        if self._index % _BLOCK == 0:
            self._largest[block] = 0.0
            self._record = max(self._largest)
        self._index += 1
        if deviation > self._largest[block]:
            self._largest[block] = deviation
            self._record = max(self._record, deviation)

    def _tails(self, floor: float) -> tuple[float, float]:
        """The spread, and the degrees of freedom of Student's distribution: fewer for few values and heavy tails.

        Wallace, Bounds on normal approximations to Student's and the chi-square distributions (1959), has the transform
        to normal that `judge` and `band` use.
        """
        spread = max(sqrt(self._variance), floor, _TINY)
        excess = self._fourth / max(spread, 1e-70) ** 4 - 3
        freedom = min(self._count, 2 * MEMORY) / self._width
        if excess > 0:
            freedom = min(freedom, _TAIL + 6 / excess)
        return spread, max(freedom, 1.0)


def clipped(value: float, most: float) -> float:
    """The value, held within -most and most."""
    return min(max(value, -most), most)
