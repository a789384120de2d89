"""How many events a second a key may send: one token bucket for each owner of keys."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """Buckets that hold the events of one second.

    A request is let in while there is something left, and pays for all of its events once they are counted, if need be
    in advance of the seconds to come: so any size of request can pass, and nothing has to be read to say no.
    """

    def __init__(self, events_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = events_per_second
        self._clock = clock
        self._full_at: dict[str, float] = {}  # when the bucket is full again; one entry for each name in the file

    def wait_seconds(self, owner: str) -> float:
        """Until a request of this owner is let in; 0 if it is now."""
        return max(0.0, self._full_at.get(owner, 0.0) - 1 - self._clock())

    def take(self, owner: str, events: int) -> None:
        """So many events were sent."""
        now = self._clock()
        self._full_at[owner] = max(now, self._full_at.get(owner, now)) + events / self._per_second
