"""The health of a worker: disconnected, stuck and idle are distinguished (the idea is Snowplow's common-streams).

| state | means | ready |
|---|---|---|
| ready | it reads, measures and writes | yes |
| idle | it could, and there is nothing but heartbeats | yes |
| starting | its lanes are being assigned or loaded | no |
| disconnected | Kafka or ClickHouse doesn't answer | no |
| stuck | both answer, there is something to read or to write, and nothing has moved for a while | no |
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from touchstream.streams.process import metrics

STUCK_SECONDS: Final = 30.0
"""Seconds without progress until a worker is stuck: a flush takes two on a busy machine, loading a full lane ten."""
LOST_SECONDS: Final = 300.0
"""Seconds stuck after which a process ends itself. Loading a lane with the largest horizon takes two minutes."""
LOOP_LOST_SECONDS: Final = 60.0
"""Seconds without a turn of the event loop after which a process ends itself."""
IDLE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 2.0
_PROBE_SECONDS: Final = 3.0
_OLD_SECONDS: Final = 15.0
"""Age in seconds from which a result is out of date: no check takes that long, so they must have stopped."""
_READY: Final = frozenset({"ready", "idle"})


@dataclass(frozen=True)
class ProcessHealth:
    """A state, why, and the numbers behind it (records, rows, seconds)."""

    state: str
    detail: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    stuck_seconds: float = 0.0

    @property
    def is_lost(self) -> bool:
        """Whether the process has been stuck long enough to be restarted."""
        return self.stuck_seconds >= LOST_SECONDS

    @property
    def is_ready(self) -> bool:
        """Whether the worker can do its work."""
        return self.state in _READY

    def document(self) -> dict[str, Any]:
        """As /readyz answers."""
        return {"state": self.state} | ({"detail": self.detail} if self.detail else {}) | dict(self.numbers)


@dataclass(frozen=True)
class Observation:
    """A worker's observations of itself at an instant; times in monotonic seconds."""

    at: float
    kafka: bool
    clickhouse: bool
    assigned: frozenset[int] | None
    """Partitions that Kafka's group gave it; None before it gave any answer."""
    next_offsets: Mapping[int, int]
    """The next offset of each lane that the worker has taken over."""
    records_behind: int
    pending_rows: int
    unflushed: bool
    """Whether there is anything to write, or a flush on its way."""
    flushed_at: float
    measured_at: float
    """When it last measured an event; heartbeats are none."""

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers behind a state, for reports."""
        return {
            "lanes": len(self.next_offsets),
            "records_behind": self.records_behind,
            "pending_rows": self.pending_rows,
        }


class HealthRules:
    """Judges one observation after another: what is stuck shows only in time. Pure."""

    def __init__(self) -> None:
        self._taking_over, self._reading, self._writing = _Work(), _Work(), _Work()

    def health(self, observation: Observation) -> ProcessHealth:
        """The state as of this observation. Observations come in the order of their times."""
        assigned = observation.assigned or frozenset()
        loading = assigned - observation.next_offsets.keys()
        stood_still = {
            "no lane was taken over": self._taking_over.still(observation.at, bool(loading), len(loading)),
            "no lane moved on": self._reading.still(
                observation.at, observation.records_behind > 0, tuple(observation.next_offsets.items())
            ),
            "no flush was acknowledged": self._writing.still(
                observation.at, observation.unflushed, observation.flushed_at
            ),
        }
        away = [
            name for name, there in (("Kafka", observation.kafka), ("ClickHouse", observation.clickhouse)) if not there
        ]
        if away:
            return ProcessHealth("disconnected", f"{' and '.join(away)} can't be reached", observation.numbers)
        stuck = {what: seconds for what, seconds in stood_still.items() if seconds >= STUCK_SECONDS}
        if stuck:
            detail = "; ".join(f"{what} for {seconds:.0f} s" for what, seconds in stuck.items())
            longest = max(stuck.values())
            return ProcessHealth("stuck", f"Kafka and ClickHouse answer, and {detail}", observation.numbers, longest)
        if observation.assigned is None or loading:
            return ProcessHealth("starting", "lanes are being taken over", observation.numbers)
        if not assigned:
            return ProcessHealth("idle", "owns no lane: the others have them all", observation.numbers)
        if not observation.records_behind and observation.at - observation.measured_at >= IDLE_SECONDS:
            return ProcessHealth("idle", "nothing to read", observation.numbers)
        return ProcessHealth("ready", numbers=observation.numbers)


_NOTHING: Final = object()


class _Work:
    """For how long work that is due has made no progress, in seconds."""

    def __init__(self) -> None:
        self._since, self._mark = 0.0, _NOTHING

    def still(self, at: float, is_there: bool, mark: object) -> float:
        """Seconds; 0 without work. mark: differs after each step forward."""
        if not is_there:
            mark = _NOTHING
        if mark is _NOTHING or mark != self._mark:
            self._since, self._mark = at, mark
        return at - self._since


class HealthMonitor:
    """The newest health, renewed by `keep` on the event loop and read by any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept_at: float | None = None
        self._health = ProcessHealth("disconnected", "not connected yet")

    def health(self) -> ProcessHealth:
        """The result of the last check; stuck if that is out of date, because then the event loop hangs."""
        if self._kept_at is not None and (age := self._clock() - self._kept_at) > _OLD_SECONDS:
            # Nothing that goes on takes that long: looking is a task among others, of which each gives way.
            lost = LOST_SECONDS if age > LOOP_LOST_SECONDS else age
            return ProcessHealth("stuck", f"the worker has not looked after itself for {age:.0f} s", stuck_seconds=lost)
        return self._health

    async def keep(self, look: Callable[[], Awaitable[Observation]]) -> None:
        """Look every two seconds, for ever."""
        rules = HealthRules()
        while True:
            self._health, self._kept_at = rules.health(await look()), self._clock()
            metrics.WORKER_STATE.state(self._health.state)
            await asyncio.sleep(_LOOK_SECONDS)


async def answers(probe: Awaitable[bool]) -> bool:
    """Whether a probe succeeds in time."""
    try:
        return await asyncio.wait_for(probe, _PROBE_SECONDS)
    except Exception:  # whatever a driver raises: the answer is no
        return False
