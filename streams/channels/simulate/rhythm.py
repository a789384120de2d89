"""Time as customers feel it: it passes faster in busy hours. Pure.

Every event is planned in busy seconds, in which things happen at one constant rate, and is then put at its moment of
clock time. So the number of events follows the rhythm exactly, and what a customer does stays in its order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Final

from touchstream.streams.channels.simulate.scenario import Rhythm

STEP_SECONDS: Final = 15
"""Seconds of a step, within which the intensity is constant; a week has 40,320 of them."""

WEEK_SECONDS: Final = 7 * 86_400
_MONDAY_SECONDS: Final = 4 * 86_400  # 1970 began on a Thursday


class BusyTime:
    """Between clock time (milliseconds since 1970) and busy seconds since a start. Repeats every week."""

    def __init__(self, rhythm: Rhythm, start_ms: int) -> None:
        intensities = [intensity(rhythm, second) for second in range(0, WEEK_SECONDS, STEP_SECONDS)]
        factor = WEEK_SECONDS / sum(intensities)
        self._busy = [0.0, *accumulate(value * factor for value in intensities)]
        self._week = self._busy[-1]
        self._start = self._since_epoch(start_ms)

    def busy(self, at_ms: int) -> float:
        """The busy seconds from the start to a moment."""
        return self._since_epoch(at_ms) - self._start

    def moment(self, busy: float) -> int:
        """The time at which this many busy seconds have passed since the start, in milliseconds since 1970."""
        weeks, rest = divmod(busy + self._start, self._week)
        step = min(bisect_right(self._busy, rest), len(self._busy) - 1) - 1
        low, high = self._busy[step], self._busy[step + 1]
        seconds = weeks * WEEK_SECONDS + (step + (rest - low) / (high - low)) * STEP_SECONDS
        return int((seconds + _MONDAY_SECONDS) * 1_000)

    def _since_epoch(self, at_ms: int) -> float:
        weeks, seconds = divmod(at_ms / 1_000 - _MONDAY_SECONDS, WEEK_SECONDS)
        step, part = divmod(seconds, STEP_SECONDS)
        low, high = self._busy[int(step)], self._busy[int(step) + 1]
        return weeks * self._week + low + (high - low) * part / STEP_SECONDS


def intensity(rhythm: Rhythm, second: int) -> float:
    """Relative intensity at this many seconds after Monday 0:00 UTC."""
    day, hour = divmod(second // 3_600, 24)
    wave = 0.0
    if rhythm.wave is not None:
        wave = rhythm.wave.amplitude * math.sin(2 * math.pi * second * 1_000 / rhythm.wave.period)
    return rhythm.hours[hour] * rhythm.weekdays[day] * (1 + wave)
