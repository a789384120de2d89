"""How many events, or bytes, a second a key may send: one token bucket for each owner of keys."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """Buckets that hold the events, or bytes, of one second.

    A request is let in while there is something left, and pays for all of its events once they are counted, if need be
    in advance of the seconds to come: so any size of request can pass, and nothing has to be read to say no.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._full_at: dict[str, float] = {}  # when the bucket is full again; one entry for each name in the file

    def wait_seconds(self, owner: str) -> float:
        """Seconds until a request of this owner is admitted; 0 if now."""
        return max(0.0, self._full_at.get(owner, 0.0) - 1 - self._clock())

    def take(self, owner: str, sent: int) -> None:
        """Record a number of events, or bytes, as sent."""
        now = self._clock()
        self._full_at[owner] = max(now, self._full_at.get(owner, now)) + sent / self._per_second
