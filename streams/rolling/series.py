"""Decides which groups have rolling rows of their own: before rows are written if there is room, and each minute.

However many names arrive, the leader writes a bounded number of rows (docs/decisions/0019).
"""

from threading import Lock
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.groups import SERIES_MAX
from touchstream.sinks.clickhouse.rolling.series import Decided, decide_series, has_newcomers
from touchstream.streams.process import metrics
from touchstream.streams.worker.leader import Duty

DECIDE_SECONDS: Final = 60.0
SHARE_MAX: Final = 0.1
"""Largest fraction of wall-clock time spent on decisions, besides the steps of `roll`."""


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

        While no group has been left out, a new one has rows at once; afterwards it waits for `decide`. Rows don't wait
        for a decision in progress, which takes seconds with very many names.
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
        """Another worker leads, and decides."""
        with self._lock:
            self._decided = {}
            for gauge in (metrics.SERIES_ADMITTED, metrics.SERIES_REFUSED):
                gauge.clear()

    def _decide(self, now_ms: int, oldest_ms: int) -> None:
        self._decided = decide_series(self._client, self._topic, self._most, now_ms, oldest_ms)
        for kind, one in self._decided.items():
            metrics.SERIES_ADMITTED.labels(kind).set(one.admitted)
            metrics.SERIES_REFUSED.labels(kind).set(one.refused_lately)


def admission_duty(admission: Admission) -> Duty:
    """Decide each minute, less often where it takes long."""
    return Duty(
        "series",
        lambda: admission.decide(times.now_ms()),
        lambda took: max(DECIDE_SECONDS, took * (1 / SHARE_MAX - 1)),
        "series not decided",
        admission.rest,
        metrics.ROLL_FAILURES,
    )
