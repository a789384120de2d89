"""Simulated customers as a stream of events. Pure: scenario, seed and start say everything, no clock is asked."""

from __future__ import annotations

from heapq import heappop, heappush

from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.channels.simulate.customers import Customers, Planned
from touchstream.streams.channels.simulate.scenario import Scenario


class Simulator:
    """The events of a scenario from a start on, in milliseconds since 1970.

    What is due in an interval does not depend on what was asked before. Asking for adjoining intervals one after the
    other is fast; anything else looks at all customers under way again.
    """

    def __init__(self, scenario: Scenario, seed: int, start_ms: int) -> None:
        self.scenario = scenario
        self.start_ms = start_ms
        self._customers = Customers(scenario, seed, start_ms)
        self._ahead: list[tuple[int, str, Planned]] = []
        self._next = self._customers.first
        self._at_ms: int | None = None

    def events(self, from_ms: int, to_ms: int) -> list[Touchpoint]:
        """The events to be published in [from, to), in that order. Raises ValueError for a time before the start."""
        return [planned.event for planned in self.planned(from_ms, to_ms)]

    def planned(self, from_ms: int, to_ms: int) -> list[Planned]:
        """The same, each with the moment at which it is due, its stage and what is odd about it."""
        if from_ms < self.start_ms:
            raise ValueError(f"the simulation starts at {self.start_ms}; ask for nothing before")
        if from_ms != self._at_ms:
            self._ahead, self._next = [], max(self._customers.first, self._customers.earliest(from_ms))
        self._at_ms = to_ms
        while self._customers.begin_ms(self._next) < to_ms:
            for planned in self._customers.life(self._next, from_ms):
                heappush(self._ahead, (planned.due_ms, planned.event.event_id, planned))
            self._next += 1
        due: list[Planned] = []
        while self._ahead and self._ahead[0][0] < to_ms:
            due.append(heappop(self._ahead)[2])
        return due
