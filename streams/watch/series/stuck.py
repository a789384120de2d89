"""A meter that is stuck: the same value again, longer than ever in a series that usually changes."""

from typing import Final

STUCK_MIN: Final = 64
"""Equal values before a series may be stuck."""
_LONGER: Final = 4
_CHANGES_MIN: Final = 64  # runs that have ended before their lengths say what is usual


class EqualRun:
    """How long the value has not changed, against the longest time before. Four numbers."""

    def __init__(self) -> None:
        self._value: float | None = None
        self._length = self._longest = self._ended = 0

    def stuck(self, value: float) -> bool:
        """Take a value in. Whether with it the run has become four times the longest before, and 64 at least."""
        if value != self._value:
            if self._value is not None:
                self._ended += 1
                self._longest = max(self._longest, self._length)
            self._value, self._length = value, 0
        self._length += 1
        return self._ended >= _CHANGES_MIN and self._length == max(STUCK_MIN, _LONGER * self._longest)
