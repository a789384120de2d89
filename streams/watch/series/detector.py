"""Anomalies of a series of numbers that are no counts, shares or answers, found as they come.

A value is held against what is usual at several scales: itself, its surprise after the one before, the mean of the last
4, 16 and 64, and how restless the last 16 and 64 were. It is told where one of these is both far out (THRESHOLD) and
the largest of the last 2,048; and where the value is stuck. docs/alerts-judgement.md has the numbers, decision 0039
the reasons.
"""

from array import array
from dataclasses import dataclass
from math import isfinite, log, sqrt
from typing import Final

from touchstream.streams.watch.series.scale import MEMORY, UsualScale, clipped
from touchstream.streams.watch.series.season import ClockSeason, ShrunkPart
from touchstream.streams.watch.series.stuck import EqualRun

THRESHOLD: Final = 3.5
"""Standard deviations of a normal distribution from which a value is told: the one threshold, of every series."""
QUIET: Final = 64
"""Values after one that was told in which nothing is told: an anomaly is told once."""
WORSE: Final = 1.5
"""How many times further out than what was told a value must be to be told in spite of QUIET."""
LEARNING: Final = 200
"""Values before the first that may be told."""
VALUE_MAX: Final = 1e60
"""Larger values are no measurements, and their fourth powers no numbers."""

_LEVELS: Final = (1, 4, 16, 64)
_RESTLESS: Final = (16, 64)
_RING: Final = 64
_RELATIVE_FLOOR: Final = 1e-4  # of the size of the series: differences below it are of rounding
_LEVEL_FLOOR: Final = 1e-12  # of the level: the last digits of a float
_RESTLESS_FLOOR: Final = 1e-3
_STILL: Final = 0.05  # of the usual unrest: below it, how still a series is tells nothing
_TINY: Final = 1e-150
_NAMES: Final = ("jump", *(f"level of {width}" for width in _LEVELS), *(f"unrest of {width}" for width in _RESTLESS))


@dataclass(frozen=True)
class SeriesVerdict:
    """What is said of one value.

    score: 0 to 1, from 0.5 on it is unusual. told: it is to be told of: unusual, and nothing was told just before.
    why: the scale that is furthest out, "" where none is, "learning" at the beginning, "no value" for a gap.
    expected, low, high: in the value's unit, before it was seen; None at the beginning. A value outside low and high is
    unusual by itself; one between them may be by its scale, such as a level that has shifted.
    """

    score: float
    told: bool
    why: str
    expected: float | None = None
    low: float | None = None
    high: float | None = None


class SeriesDetector:
    """One series. Memory is constant: 7 scales of 14 numbers, 768 slots of 9 bytes, 128 numbers of rings; some 15 KB.

    The same values give the same verdicts, bit by bit. A unit or an origin of the values changes none but by rounding.
    """

    def __init__(self) -> None:
        self._season = ClockSeason()
        self._seen = 0
        self._told_at, self._told_far = -QUIET, 0.0
        self._level = self._before = self._echoing = self._unrest = self._size = 0.0
        self._echo = ShrunkPart()
        self._run = EqualRun()
        self._deviations = RecentSums(_LEVELS)
        self._surprises = RecentSums(_RESTLESS)
        self._scales = [UsualScale(width) for width in (1, *_LEVELS, *_RESTLESS)]

    def see(self, seconds: float | None, value: float | None) -> SeriesVerdict:
        """Judge the next value, and learn from it.

        seconds: its time since 1970, for the season; None where there is no time. Order is that of the calls.
        A value that is None, not finite or beyond VALUE_MAX is a gap: nothing is judged, nothing learnt.
        """
        if value is None or not isfinite(value) or abs(value) > VALUE_MAX:
            return SeriesVerdict(0.0, told=False, why="no value")
        if not self._seen:
            self._level = value
        time = seconds if seconds is not None and isfinite(seconds) else None
        expected = self._level + self._season.expect(time, self._level)
        rate = max(1 / MEMORY, 1 / (self._seen + 1))
        deviation = value - expected
        surprise = deviation - self._echo.coefficient() * self._echoing
        away = abs(deviation) >= abs(self._before)
        floor = _RELATIVE_FLOOR * sqrt(self._season.power() + self._size) + _LEVEL_FLOOR * abs(self._level)
        band = self._scales[1].band(THRESHOLD, floor)
        self._learn(time, expected, deviation, rate)
        furthest = self._judge(deviation, surprise, away, rate, floor)
        if self._run.stuck(value) and furthest[0] < THRESHOLD:
            furthest = THRESHOLD, "stuck"
        verdict = self._verdict(furthest)
        self._seen += 1
        if band is None or self._seen <= LEARNING:
            return verdict
        return SeriesVerdict(verdict.score, verdict.told, verdict.why, expected, expected + band[0], expected + band[1])

    def _learn(self, time: float | None, expected: float, deviation: float, rate: float) -> None:
        """Take a value into level, season and echo, as far as it is not absurd."""
        learnt = clipped(deviation, self._scales[1].most())
        value = expected + learnt
        self._season.learn(time, value, self._level, rate)
        self._echo.learn(learnt, self._echoing, rate)
        self._size += rate * (learnt * learnt - self._size)
        self._level += rate * (value - self._level)
        self._before, self._echoing = deviation, learnt

    def _judge(self, deviation: float, surprise: float, away: bool, rate: float, floor: float) -> tuple[float, str]:
        """The furthest of all scales, in standard deviations, and its name."""
        means = self._deviations.add(deviation)
        unrests = self._surprises.add(abs(surprise))
        self._unrest += rate * (min(abs(surprise), self._scales[0].most()) - self._unrest)
        usual = max(self._unrest, _TINY)
        measures = [
            surprise,
            *means,
            *(None if one is None else log(min(one / usual, 1e12) + _STILL) for one in unrests),
        ]
        furthest, name = 0.0, ""
        for at, (scale, measure) in enumerate(zip(self._scales, measures, strict=True)):
            if measure is None:
                continue
            restless = at > len(_LEVELS)
            far = scale.judge(measure, _RESTLESS_FLOOR if restless else floor)
            scale.learn(measure)
            if restless:
                far = max(far, 0.0)  # stillness alone is no anomaly: nights and closed shops are still
            elif at == 0 and not away:
                far = 0.0  # on its way back to what is usual
            if abs(far) > furthest:
                furthest, name = abs(far), _NAMES[at]
        return furthest, name

    def _verdict(self, furthest: tuple[float, str]) -> SeriesVerdict:
        far, name = furthest
        if self._seen < LEARNING:
            return SeriesVerdict(0.0, told=False, why="learning")
        told = far >= THRESHOLD and (self._seen - self._told_at >= QUIET or far >= WORSE * self._told_far)
        if told:
            self._told_at, self._told_far = self._seen, far
        return SeriesVerdict(far / (far + THRESHOLD), told, name)


class RecentSums:
    """Means of the last values, at several widths; None until there are so many."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        self._widths = widths
        self._ring = array("d", bytes(8 * _RING))
        self._sums = [0.0] * len(widths)
        self._count = 0

    def add(self, value: float) -> list[float | None]:
        """Take a value in. In the order of the widths."""
        at = self._count % _RING
        for number, width in enumerate(self._widths):
            leaving = self._ring[(at - width) % _RING] if self._count >= width else 0.0
            self._sums[number] += value - leaving
        self._ring[at] = value
        self._count += 1
        if at == _RING - 1:
            # Anew, so that what a huge value has rounded away comes back.
            self._sums = [sum(self._ring[-width:]) for width in self._widths]
        return [
            total / width if self._count >= width else None
            for total, width in zip(self._sums, self._widths, strict=True)
        ]
