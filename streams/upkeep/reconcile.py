"""Compares panes with the raw events they were made of, every few minutes in one worker: the one that owns lane 0.

A recent interval that has settled, as long as it may be without costing more than a bounded number of events; and the
longer it took, the longer the next one waits. `touchstream reconcile` compares whatever interval is asked for.
"""

import time
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.upkeep.reconcile import Reconciled, reconcile, touches_in
from touchstream.streams.process import metrics
from touchstream.streams.worker.leader import Duty

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 300.0
SHARE_MAX: Final = 0.02
"""Largest fraction of wall-clock time spent on reconciliation."""
TOUCHES_MAX: Final = 100_000
"""Most touches of one interval; they take about two seconds of one core."""
_LENGTHS_MS: Final = (3_600_000, 300_000, 10_000)
"""Whole panes of each resolution; the longest that has no more than TOUCHES_MAX events is looked at."""
_LOOK_SECONDS: Final = 1.0


class Reconciler:
    """Decides which interval is looked at, and says what was found. Blocking; made for one thread."""

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self._topic = client, topic
        self._rest_until = 0.0

    def step(self) -> Reconciled | None:
        """Compare a settled interval, if it is time; None if not, or while there is nothing to compare."""
        if time.monotonic() < self._rest_until:
            return None
        started = time.monotonic()
        interval = self._settled()
        found = reconcile(self._client, *interval, self._topic) if interval else None
        taken = time.monotonic() - started
        self._rest_until = time.monotonic() + max(EVERY_SECONDS, taken / SHARE_MAX)
        if interval and found:
            metrics.DRIFT_PANES.set(found.differing)
            metrics.MISROUTED.set(found.placing.misrouted)
            metrics.TWINS.set(found.placing.twins)
            metrics.RECONCILED.set(interval[1] / 1000)
            for one in found.differences[:3]:
                log.error("a pane is not what its events say", measure=one.measure, pane=one.pane, raw=one.raw,
                          resolution_s=one.resolution_s, start_ms=one.start_ms, stage=one.stage)  # fmt: skip
        return found

    def rest(self) -> None:
        """Another worker leads: what this one has found would grow old."""
        for one in (metrics.DRIFT_PANES, metrics.MISROUTED, metrics.TWINS):
            one.set(0)
        metrics.RECONCILED.set(0)

    def _settled(self) -> tuple[int, int] | None:
        """The newest whole pane of the greatest length that every lane's watermark has passed."""
        rows = lanes(self._client, self._topic)
        watermark = min((row.watermark_ms for row in rows), default=0)
        for length in _LENGTHS_MS:
            end = watermark // length * length
            if end > 0 and touches_in(self._client, end - length, end) <= TOUCHES_MAX:
                return end - length, end
        return None


def reconcile_duty(reconciler: Reconciler) -> Duty:
    """Look every second whether it is time."""
    failure = "panes not compared with raw events"
    return Duty("reconcile", reconciler.step, lambda _: _LOOK_SECONDS, failure, reconciler.rest)
