"""Heartbeats through the log: an idle lane must move its watermark, or no window would ever be complete."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from touchstream.streams.measure.records import CONTROL_HEADER, Headers
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 5.0
"""Seconds without records after which a lane gets a heartbeat: twelve small records a minute let windows complete."""
_LOOK_SECONDS: Final = 1.0

HEARTBEAT: Final[Headers] = [(CONTROL_HEADER, b"heartbeat")]

Beat = Callable[[int], Awaitable[Any]]
"""Publishes a heartbeat to a partition."""


async def beat_forever(last_read: Callable[[], Mapping[int, float]], beat: Beat) -> None:
    """Send a heartbeat to every lane of ours that has read nothing for a while. last_read: monotonic seconds."""
    sent: dict[int, float] = {}
    while True:
        now = time.monotonic()
        for partition, read in last_read().items():
            if now - max(read, sent.get(partition, 0.0)) >= IDLE_SECONDS:
                sent[partition] = now
                try:
                    await beat(partition)
                    metrics.HEARTBEATS.inc()
                except KafkaError as error:
                    log.warning("heartbeat not sent", partition=partition, error=repr(error))
        await asyncio.sleep(_LOOK_SECONDS)
