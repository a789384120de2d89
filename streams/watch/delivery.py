"""Telling one destination, in order, until it has been told.

The queue is the table of changes: it survives restarts, and a destination that is away costs no memory. A notification
is written down as delivered after it was sent; a crash between the two sends it again, with the same key.
"""

import threading
from typing import Final

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.notify.notification import Destination, NotDelivered, Notification, RefusedForGood
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 100
LOOK_SECONDS: Final = 30.0
"""Seconds between checks without a wake-up, for notifications that another watcher has left."""
BACK_OFF_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries, by the number of consecutive failures; the last value repeats."""


class DestinationWorker:
    """Tells one destination what it has not been told. Blocking; `run` is made for a thread of its own."""

    def __init__(self, tables: AlertTables, destination: Destination) -> None:
        self._tables, self._destination = tables, destination
        self._failures = 0
        self._awake = threading.Event()
        self._stopped = False

    def step(self) -> float:
        """Tell of some changes; the seconds to wait before the next step. Raises ClickHouseError."""
        name = self._destination.name
        changes = self._tables.undelivered(name, AT_ONCE_MAX)
        metrics.UNDELIVERED.labels(name).set(len(changes))
        for change in changes:
            notification = Notification.of(change, self._tables.topic)
            try:
                self._tell(notification)
            except NotDelivered as error:
                return self._back_off(error)
            self._failures = 0
            metrics.UNDELIVERED.labels(name).dec()
        return 0.0 if len(changes) == AT_ONCE_MAX else LOOK_SECONDS

    def run(self) -> None:
        """`step` until `stop`, whatever ClickHouse does."""
        while True:
            self._awake.clear()  # before looking: what is written from now on wakes it again
            if self._stopped:
                break
            try:
                wait = self.step()
            except ClickHouseError as error:
                log.warning("notifications wait for ClickHouse", error=first_line(error))
                wait = BACK_OFF_SECONDS[0]
            self._awake.wait(wait)
        self._destination.close()

    def wake(self) -> None:
        """There is something to tell. From any thread."""
        self._awake.set()

    def stop(self) -> None:
        """End `run` after what is on its way. From any thread."""
        self._stopped = True
        self._awake.set()

    def _tell(self, notification: Notification) -> None:
        name, outcome = self._destination.name, "delivered"
        try:
            self._destination.send(notification)
        except RefusedForGood as error:
            outcome = f"refused: {error}"
            log.warning("notification refused, given up", destination=name, rule=notification.rule, error=str(error))
        self._tables.record_delivery(name, notification.key, outcome)
        metrics.NOTIFICATIONS.labels(name, outcome.partition(":")[0]).inc()

    def _back_off(self, error: NotDelivered) -> float:
        name = self._destination.name
        metrics.NOTIFICATIONS.labels(name, "failed").inc()
        wait = BACK_OFF_SECONDS[min(self._failures, len(BACK_OFF_SECONDS) - 1)]
        self._failures += 1
        log.warning("notification not delivered, trying again", destination=name, error=str(error), seconds=wait)
        return wait
