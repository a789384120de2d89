"""Duties of one worker for all: the one that owns lane 0, which Kafka's consumer group has elected already.

Two leaders for a moment do no harm, because what a duty writes does not depend on who writes it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from prometheus_client import Counter

from touchstream.sinks.clickhouse.errors import first_line

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Duty:
    """One thing that the leader does, step by step, in a thread of its own."""

    name: str
    step: Callable[[], Any]
    """Blocking. A ClickHouseError is logged, and the next step tries again; other errors end the worker."""
    pause_seconds: Callable[[float], float]
    """Seconds from the end of a step to the next. took: seconds that the step took."""
    failure: str
    """The log message for a failure of ClickHouse."""
    rest: Callable[[], None] = lambda: None
    """Called instead of a step while another worker leads: what this one remembers and shows would grow old."""
    failures: Counter | None = None


async def lead_forever(duty: Duty, leads: Callable[[], bool]) -> None:
    """Do a duty whenever this worker leads; never returns."""
    executor = ThreadPoolExecutor(1, duty.name)
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await loop.run_in_executor(executor, duty.step if leads() else duty.rest)
        except ClickHouseError as error:
            if duty.failures is not None:
                duty.failures.inc()
            log.warning(f"{duty.failure}, trying again", error=first_line(error))
        await asyncio.sleep(duty.pause_seconds(loop.time() - started))
