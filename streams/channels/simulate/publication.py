"""`touchstream simulate`: a scenario to Kafka, until its time is over or it is stopped."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from touchstream.schemas.times import now_ms
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.simulate.clocks import LeapingClock, WallClock
from touchstream.streams.channels.simulate.runner import PATIENCE_SECONDS, TICK_MS, Runner, SimulationSummary
from touchstream.streams.channels.simulate.scenario import Scenario
from touchstream.streams.channels.simulate.simulator import Simulator

FAST_EVENTS: Final = 2_000
"""Events between two waits for acknowledgement, when publishing without a clock."""


@dataclass(frozen=True)
class SimulateOptions:
    """For how many seconds (0: for ever), and whether at once: then they are the seconds before now."""

    seconds: float = 0.0
    fast: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < float("inf"):
            raise ValueError(f"--for must be 0 or more seconds, not {self.seconds:g}")
        if self.fast and not self.seconds:
            raise ValueError("--fast needs --for: it publishes that many seconds of the past at once")


def publish_simulation(
    destination: BulkDestination,
    scenario: Scenario,
    options: SimulateOptions,
    progress: Callable[[int], None] | None = None,
) -> SimulationSummary:
    """Publish a scenario's events. Ctrl-C or SIGTERM ends it after a flush; `progress` gets the number published.

    Raises TopicError if Kafka can't be reached at first or doesn't have the topic, RegistryUnavailable, SchemaRefused.
    Not for use in an event loop.
    """
    return asyncio.run(_publish(destination, scenario, options, progress))


async def _publish(
    destination: BulkDestination, scenario: Scenario, options: SimulateOptions, progress: Callable[[int], None] | None
) -> SimulationSummary:
    url, topic = destination.schema_registry_url, destination.topic
    encoder = Encoder.registered(url, topic) if url else Encoder()
    stack = AsyncExitStack()
    try:
        batches = await stack.enter_async_context(LaneBatches.to(destination))
        duration_ms = round(options.seconds * 1_000)
        start_ms = now_ms() - (duration_ms if options.fast else 0)
        runner = Runner(Simulator(scenario, scenario.seed, start_ms), batches, encoder, progress)
        with _on_signals(runner.stop):
            until_ms = start_ms + duration_ms if duration_ms else None
            if options.fast:
                tick_ms = max(TICK_MS, round(FAST_EVENTS / scenario.rate * 1_000))
                return await runner.run(LeapingClock(start_ms), until_ms, tick_ms)
            return await runner.run(WallClock(), until_ms)
    finally:
        with suppress(TimeoutError):  # the client would wait for minutes for a Kafka that is away
            await asyncio.wait_for(stack.aclose(), PATIENCE_SECONDS)


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop it. In the main thread, which signals belong to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
