"""Publishes a simulation as time goes by, and gives an account of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from touchstream.schemas import times
from touchstream.streams.channels.bulk import LaneBatches
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.in_flight import DeliveryFailed
from touchstream.streams.channels.simulate.clocks import Clock
from touchstream.streams.channels.simulate.customers import Oddity, Planned
from touchstream.streams.channels.simulate.simulator import Simulator

log = structlog.get_logger(__name__)

TICK_MS: Final = 100
"""Interval between batches: short enough to look continuous, long enough to send several events at once."""

CATCH_UP_TICKS_MAX: Final = 50
BEHIND_MS_MAX: Final = 120_000
"""Events up to this late (ms) are caught up with; later ones are left out, such as after the machine slept."""

SILENCE_SECONDS: Final = 5.0
"""Kafka acknowledges within milliseconds: longer is worth a warning."""

PATIENCE_SECONDS: Final = 3.0
"""Timeout for events in flight on SIGTERM; twice that, with closing the connection, is less than supervisors wait."""

RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class SimulationSummary:
    """What was published, that is, acknowledged by Kafka, of a simulation that starts at `start_ms` (since 1970).

    `by_stage` counts all of it, in the scenario's order; `duplicates`, `late` and `out_of_scale` are among it.
    `unacknowledged` events were sent before the end and not answered. `left_out_seconds` of the simulation passed
    unpublished, because Kafka was away or the machine slept. `refused` is 0: what is out of scale is sent on purpose.
    """

    start_ms: int
    published: int
    by_stage: dict[str, int]
    duplicates: int
    late: int
    out_of_scale: int
    unacknowledged: int
    left_out_seconds: float
    seconds: float
    refused: int = 0


class Runner:
    """Publishes a simulator's events, each at its time by a clock; what Kafka doesn't take is sent until it does."""

    def __init__(
        self,
        simulator: Simulator,
        batches: LaneBatches,
        encoder: Encoder,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._simulator, self._batches, self._encoder = simulator, batches, encoder
        self._progress = progress or (lambda _: None)
        self._stopped = asyncio.Event()
        self._stages = Counter({stage.id: 0 for stage in simulator.scenario.stages})
        self._oddities: Counter[Oddity | None] = Counter()
        self._unacknowledged = 0
        self._left_out_ms = 0

    def stop(self) -> None:
        """Ends `run`, after a flush that Kafka may take `PATIENCE_SECONDS` for. A second time: KeyboardInterrupt."""
        if self._stopped.is_set():
            raise KeyboardInterrupt
        self._stopped.set()

    async def run(self, clock: Clock, until_ms: int | None = None, tick_ms: int = TICK_MS) -> SimulationSummary:
        """Publish from the simulator's start until `until_ms` (None: for ever), or until `stop`.

        Kafka may be away meanwhile: events wait, and are published when it is back.
        """
        began = time.monotonic()
        done_ms = self._simulator.start_ms
        while not self._stopped.is_set() and done_ms != until_ms:
            to_ms = max(done_ms + tick_ms, min(clock.now_ms(), done_ms + CATCH_UP_TICKS_MAX * tick_ms))
            if until_ms is not None:
                to_ms = min(to_ms, until_ms)
            await clock.sleep_until(to_ms)
            behind_ms = clock.now_ms() - to_ms
            if behind_ms > BEHIND_MS_MAX:
                to_ms = self._leave_out(done_ms, to_ms + behind_ms, until_ms)
            else:
                await self._publish(self._simulator.planned(done_ms, to_ms))
            done_ms = to_ms
        return self._summary(time.monotonic() - began)

    def _leave_out(self, from_ms: int, to_ms: int, until_ms: int | None) -> int:
        to_ms = to_ms if until_ms is None else min(to_ms, until_ms)
        self._left_out_ms += to_ms - from_ms
        log.warning("too far behind, events are left out", seconds=(to_ms - from_ms) / 1_000)
        return to_ms

    async def _publish(self, planned: Sequence[Planned]) -> None:
        keys = [one.event.key for one in planned]
        values = [self._encoder.event(one.event) for one in planned]
        if values and await self._acknowledged(asyncio.ensure_future(self._deliver(keys, values))):
            self._stages.update(one.stage for one in planned)
            self._oddities.update(one.oddity for one in planned)
            self._progress(self._stages.total())
        else:
            self._unacknowledged += len(values)

    async def _deliver(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Retry until Kafka has acknowledged all events. One that is there twice then counts once, by its event_id."""
        while True:
            try:
                await self._batches.add(keys, values, times.now_ms())
                await self._batches.flush()
            except DeliveryFailed as error:
                log.warning("Kafka didn't acknowledge events; retrying", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _acknowledged(self, delivery: asyncio.Future[None]) -> bool:
        """Wait for it, but after `stop` not for long. Whether it was done."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        either: set[asyncio.Future[Any]] = {delivery, stopped}
        done, _ = await asyncio.wait(either, timeout=SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            log.warning("Kafka doesn't acknowledge events; waiting for it")
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            log.info("no longer waiting for Kafka", acknowledged=delivery.done())
        stopped.cancel()
        if not delivery.done():
            await asyncio.wait({delivery}, timeout=PATIENCE_SECONDS)
        if not delivery.done():
            delivery.cancel()
            return False
        await delivery
        return True

    def _summary(self, seconds: float) -> SimulationSummary:
        return SimulationSummary(
            start_ms=self._simulator.start_ms,
            published=self._stages.total(),
            by_stage=dict(self._stages),
            duplicates=self._oddities[Oddity.DUPLICATE],
            late=self._oddities[Oddity.LATE],
            out_of_scale=self._oddities[Oddity.OUT_OF_SCALE],
            unacknowledged=self._unacknowledged,
            left_out_seconds=self._left_out_ms / 1_000,
            seconds=seconds,
        )
