"""Who has rolling rows of its own: decided before rows are written where there is room for newcomers, and each minute.

However many names arrive, the leader writes a bounded number of rows (docs/decisions/0019).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.groups import SERIES_MAX
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.clickhouse.rolling.series import Decided, decide_series, has_newcomers
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

DECIDE_SECONDS: Final = 60.0
SHARE_MAX: Final = 0.1
"""Of the time that is spent on decisions beside the steps of `roll`."""


class Admission:
    """The list of a topic. Blocking; for several threads.

    most: groups of each kind besides the declared ones.
    """

    def __init__(self, client: Client, topic: str, most: int = SERIES_MAX) -> None:
        self._client, self._topic, self._most = client, topic, most
        self._decided: dict[str, Decided] = {}
        self._lock = Lock()

    def before_rows(self, now_ms: int, from_ms: int, oldest_ms: int) -> None:
        """To be called before rows are written of windows that begin at from_ms or later; oldest_ms: the first end.

        While nothing had to be refused, who is new has rows at once; afterwards it waits for `decide`, and rows don't
        wait for one that goes on: with very many names it takes seconds.
        """
        if not self._lock.acquire(blocking=not self._decided):
            return
        try:
            roomy = [kind for kind, one in self._decided.items() if not one.refused]
            if not self._decided or (roomy and has_newcomers(self._client, self._topic, roomy, from_ms)):
                self._decide(now_ms, oldest_ms)
        finally:
            self._lock.release()

    def decide(self, now_ms: int) -> None:
        """Decide as of now."""
        with self._lock:
            self._decide(now_ms, now_ms)

    def rest(self) -> None:
        """Somebody else leads, and decides."""
        with self._lock:
            self._decided = {}
            for gauge in (metrics.SERIES_ADMITTED, metrics.SERIES_REFUSED):
                gauge.clear()

    def _decide(self, now_ms: int, oldest_ms: int) -> None:
        self._decided = decide_series(self._client, self._topic, self._most, now_ms, oldest_ms)
        for kind, one in self._decided.items():
            metrics.SERIES_ADMITTED.labels(kind).set(one.admitted)
            metrics.SERIES_REFUSED.labels(kind).set(one.refused_lately)


async def admit_forever(admission: Admission, leads: Callable[[], bool], now_ms: Callable[[], int]) -> None:
    """Decide each minute while this worker leads, less often where it takes long."""
    executor = ThreadPoolExecutor(1, "series")
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        if leads():
            try:
                await loop.run_in_executor(executor, admission.decide, now_ms())
            except ClickHouseError as error:
                metrics.ROLL_FAILURES.inc()
                log.warning("series not decided, trying again", error=first_line(error))
        else:
            # In its thread: it waits for a decision that a step of `roll` is at.
            await loop.run_in_executor(executor, admission.rest)
        await asyncio.sleep(max(DECIDE_SECONDS, (loop.time() - started) * (1 / SHARE_MAX - 1)))
