"""Outlets take the rows of windows that have become complete, besides ClickHouse: the topic `stage-metrics` is one.

Each outlet has a queue of its own, so that one that is away holds up no other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.errors import first_line

log = structlog.get_logger(__name__)

WAITING_MAX: Final = 10_000
"""Windows that wait for an outlet: about a day's. Older ones are left out; they are in the table."""
_LOOK_SECONDS: Final = 1.0

Complete = tuple[Window, int]
"""A window and the tick (milliseconds since 1970) at which it became complete."""
Rows = Sequence[Mapping[str, Any]]
"""Rolling rows of a window at a tick, columns as in `stage_metrics`."""


class OutletAway(Exception):  # noqa: N818 (an outcome, named as the field names it)
    """The outlet did not take all rows of a window: the window is sent again."""


class Outlet(Protocol):
    """Takes the rows of complete windows, in the order in which they became complete.

    At least once: after a failure, or from a worker that begins to lead, the same rows may come again with the same
    group, tick and values. Send a key by which the receiver knows what it has.
    """

    @property
    def name(self) -> str:
        """What logs call it."""

    async def take(self, rows: Rows) -> None:
        """Send the rows of one window; returns when all are acknowledged. Raises OutletAway."""


class Outlets:
    """Outlets with the complete windows that wait for each."""

    def __init__(self, *outlets: Outlet) -> None:
        self._waiting = [(outlet, deque[Complete](maxlen=WAITING_MAX)) for outlet in outlets]

    def add(self, complete: Complete) -> None:
        """A window has become complete. From any thread."""
        for _, queue in self._waiting:
            queue.append(complete)

    @property
    def waiting(self) -> int:
        """Windows that wait for the outlet that is furthest behind."""
        return max((len(queue) for _, queue in self._waiting), default=0)

    async def serve_forever(self, read: Callable[[Window, int], Rows]) -> None:
        """Send what waits, the oldest first.

        read: the rows of a window at a tick. Blocking; what waits is kept where it raises ClickHouseError.
        """
        await asyncio.gather(*(_serve(outlet, queue, read) for outlet, queue in self._waiting))


async def _serve(outlet: Outlet, queue: deque[Complete], read: Callable[[Window, int], Rows]) -> None:
    while True:
        while queue:
            complete = queue.popleft()
            try:
                await outlet.take(await asyncio.to_thread(read, *complete))
            except (OutletAway, ClickHouseError) as error:
                queue.appendleft(complete)
                why = first_line(error) if isinstance(error, ClickHouseError) else str(error)
                log.warning("rolling rows not sent, trying again", outlet=outlet.name, error=why)
                break
        await asyncio.sleep(_LOOK_SECONDS)
