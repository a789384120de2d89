"""What a value is usually at this time of the day and of the week, as far as time explains anything."""

from array import array
from typing import Final

SLOT_SECONDS: Final = 900
"""A slot of a day. Shorter ones hold too few values to have a mean; an hour blurs what opens and closes."""
_DAY: Final = 86_400
_SLOTS: Final = _DAY // SLOT_SECONDS
_RATE: Final = 0.2  # of the newest value in its slot: some five days, or weeks, are remembered
_TINY: Final = 1e-300  # keeps a quotient of zeros from being an error


class SlotMeans:
    """The decaying mean of the values of each slot. 9 bytes a slot."""

    def __init__(self, slots: int) -> None:
        self._means = array("d", bytes(8 * slots))
        self._counts = array("B", bytes(slots))

    def mean(self, slot: int) -> float | None:
        """The mean, None where the slot has had no value."""
        return self._means[slot] if self._counts[slot] else None

    def learn(self, slot: int, value: float) -> None:
        """Take a value into the mean of its slot."""
        count = self._counts[slot] = min(self._counts[slot] + 1, 255)
        self._means[slot] += max(_RATE, 1 / count) * (value - self._means[slot])


class ShrunkPart:
    """How much of a deviation another one explains: a coefficient of 0 (nothing) to 1, from what was seen."""

    def __init__(self) -> None:
        self.power = 0.0
        self._product = 0.0

    def coefficient(self) -> float:
        """Regression through the origin, held within 0 and 1."""
        return min(max(self._product / max(self.power, _TINY), 0.0), 1.0)

    def learn(self, deviation: float, explanation: float, rate: float) -> None:
        """Take a pair in, with the weight `rate`."""
        self._product += rate * (deviation * explanation - self._product)
        self.power += rate * (explanation * explanation - self.power)


class ClockSeason:
    """Season of a series: of the day first, then of the week in what is left.

    Each part counts as much as it explained so far, so a series without a season loses nothing.
    """

    def __init__(self) -> None:
        self._days = SlotMeans(_SLOTS)
        self._weeks = SlotMeans(7 * _SLOTS)
        self._day_part, self._week_part = ShrunkPart(), ShrunkPart()

    def power(self) -> float:
        """The mean square of the season of the day, in the square of the value's unit."""
        return self._day_part.power

    def expect(self, seconds: float | None, level: float) -> float:
        """What is expected beyond the level at a time (seconds since 1970); 0 where there is no time."""
        if seconds is None:
            return 0.0
        of_day, of_week = self._explanations(seconds, level)
        return self._day_part.coefficient() * of_day + self._week_part.coefficient() * of_week

    def learn(self, seconds: float | None, value: float, level: float, rate: float) -> None:
        """Take in a value, with the level before it."""
        if seconds is None:
            return
        of_day, of_week = self._explanations(seconds, level)
        deviation = value - level
        rest = deviation - self._day_part.coefficient() * of_day
        self._day_part.learn(deviation, of_day, rate)
        self._week_part.learn(rest, of_week, rate)
        day, week = _slots(seconds)
        self._days.learn(day, value)
        self._weeks.learn(week, rest)

    def _explanations(self, seconds: float, level: float) -> tuple[float, float]:
        day, week = _slots(seconds)
        mean = self._days.mean(day)
        return 0.0 if mean is None else mean - level, self._weeks.mean(week) or 0.0


def _slots(seconds: float) -> tuple[int, int]:
    """Slot of the day and of the week, UTC."""
    days, second = divmod(int(seconds), _DAY)
    slot = second // SLOT_SECONDS
    return slot, days % 7 * _SLOTS + slot
