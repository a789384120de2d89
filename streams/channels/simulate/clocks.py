"""The time that a simulation is published by, in milliseconds since 1970."""

from __future__ import annotations

import asyncio
from typing import Protocol

from touchstream.schemas import times


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now_ms(self) -> int:
        """The time."""

    async def sleep_until(self, at_ms: int) -> None:
        """Wait until that time."""


class WallClock:
    """Time as it is."""

    def now_ms(self) -> int:
        """The system's time."""
        return times.now_ms()

    async def sleep_until(self, at_ms: int) -> None:
        """Sleeps."""
        await asyncio.sleep(max(0.0, (at_ms - self.now_ms()) / 1_000))


class LeapingClock:
    """Time that passes when it is waited for, and not otherwise."""

    def __init__(self, at_ms: int) -> None:
        self._at_ms = at_ms

    def now_ms(self) -> int:
        """The time that was last waited for."""
        return self._at_ms

    async def sleep_until(self, at_ms: int) -> None:
        """Leaps there."""
        self._at_ms = max(self._at_ms, at_ms)
