"""Telling one destination, in the order of each alert, until it has been told.

The queue is the table of changes: it survives restarts, and a destination that is away costs no memory. A notification
is written down as delivered after it was sent; a crash between the two sends it again, with the same key.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from msgspec import structs

from touchstream.schemas.alert_actions import Action, Actions
from touchstream.schemas.alert_state import AlertRow
from touchstream.sinks.clickhouse.alerts.store import AlertTables, Undelivered
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.notify.notification import (
    Destination,
    Handled,
    NotDelivered,
    Notification,
    RefusedForGood,
    Reminded,
)
from touchstream.streams.process import metrics
from touchstream.streams.watch.dead_destinations import Trouble
from touchstream.streams.watch.judge import FIRING
from touchstream.streams.watch.policy import HOLD, NOTHING_SAID, SEND, Policy, Telling

log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 100
OPEN_MAX: Final = 1_000
"""Most alerts that fire of which a destination is told again, the first ones."""
LOOK_SECONDS: Final = 30.0
"""Seconds between checks without a wake-up, for notifications that another watcher has left."""
REMIND_SECONDS: Final = 60.0
BACK_OFF_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries of one notification, by the number of consecutive failures; the last value repeats."""
AWAY_AFTER: Final = 3
"""Consecutive failures, of different alerts, after which a step tries no others: the destination seems to be away."""
GIVEN_UP_MS: Final = 24 * 3_600_000
"""After that a change is told only where it is its alert's newest: how an alert stands now is told, however late."""
LATE_MS: Final = 300_000
"""From then on a notification says by how much it is late."""
_TRIES_MAX: Final = 10_000


@dataclass(frozen=True)
class _Tries:
    failures: int
    next_at: float


class DestinationWorker:
    """Tells one destination what it has not been told. Blocking; `run` is made for a thread of its own."""

    def __init__(
        self,
        tables: AlertTables,
        destination: Destination,
        clock: Callable[[], float] = time.monotonic,
        telling: Telling = NOTHING_SAID,
    ) -> None:
        self._tables, self._destination, self._telling, self._clock = tables, destination, telling, clock
        self._tries: dict[str, _Tries] = {}
        self._held: set[str] = set()
        """Keys of changes that are told later: looked at again each half minute."""
        self._held_until = self._reminded_at = float("-inf")
        self._failing_since: float | None = None
        self._error, self._has_worked = "", False
        self._awake = threading.Event()
        self._stopped = False

    def step(self) -> float:
        """Tell of some changes; the seconds to wait before the next step. Raises ClickHouseError."""
        now, now_ms, name = self._clock(), self._telling.now_ms(), self._destination.name
        if now >= self._held_until:
            self._held, self._held_until = set(), now + LOOK_SECONDS
        waiting = [*self._held, *(key for key, tries in self._tries.items() if tries.next_at > now)]
        found = self._tables.undelivered(name, AT_ONCE_MAX, waiting)
        metrics.UNDELIVERED.labels(name).set(len(found) + len(waiting) - len(self._held))
        actions = self._tables.actions(now_ms)
        policy = Policy(name, self._telling, actions, now_ms)
        in_a_row, tried = self._tell_some(found, policy, actions)
        if in_a_row < AWAY_AFTER:
            tried |= self._repeat(policy, actions)
            if len(found) < AT_ONCE_MAX:  # what was to be tried again and did not come is over
                self._tries = {key: one for key, one in self._tries.items() if one.next_at > now or key in tried}
        if not self._tries:
            self._has_worked, self._failing_since = True, None
        self._remind(actions)
        if found and not in_a_row:
            return 0.0  # there may be more, or the next change of the same alert
        soonest = min((tries.next_at for tries in self._tries.values()), default=now + LOOK_SECONDS)
        return min(max(0.0, soonest - self._clock()), LOOK_SECONDS)

    def _tell_some(self, found: Sequence[Undelivered], policy: Policy, actions: Actions) -> tuple[int, set[str]]:
        """Tell of changes, or hold them; how many failed in a row at the end, and the keys that were tried."""
        name = self._destination.name
        outcomes = self._tables.outcomes(name, policy.needed(found))
        in_a_row, tried = 0, set[str]()
        for one in found:
            if in_a_row == AWAY_AFTER:
                break
            decision = policy.decide(one, outcomes)
            if decision == HOLD:
                self._held.add(one.key)
                metrics.UNDELIVERED.labels(name).dec()
                continue
            tried.add(one.key)
            try:
                self._tell(one, actions, decision)
                in_a_row = 0
                self._tries.pop(one.key, None)
                if decision == SEND:
                    self._failing_since = None
                metrics.UNDELIVERED.labels(name).dec()
            except NotDelivered as error:
                in_a_row += 1
                self._try_later(one.key, error)
        return in_a_row, tried

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

    def trouble(self) -> Trouble:
        """How the destination fares. From any thread."""
        since = self._failing_since
        return Trouble(0.0 if since is None else self._clock() - since, self._error, self._has_worked)

    def wake(self) -> None:
        """There is something to tell. From any thread."""
        self._awake.set()

    def stop(self) -> None:
        """End `run` after what is on its way. From any thread."""
        self._stopped = True
        self._awake.set()

    def _tell(self, one: Undelivered, actions: Actions, decision: str) -> None:
        """Send it and write that down; what is left out, or over and old, is only written down. Raises NotDelivered."""
        late_ms, outcome = self._telling.now_ms() - one.written_at_ms, "delivered"
        if decision != SEND:
            outcome = decision
        elif late_ms > GIVEN_UP_MS and not one.is_newest:
            outcome = "refused: not taken within 24 h, and over meanwhile"
        else:
            fired = one.change
            if fired.state != FIRING:
                fired = replace(fired, state=FIRING, since_ms=one.since_before_ms)
            notification = self._notification(one.change, actions.acknowledgement(fired), actions)
            late = late_ms // 1_000 if late_ms > LATE_MS else None
            outcome = self._sent(structs.replace(notification, late_by_seconds=late))
        self._note(one.key, one.change.rule, outcome)

    def _repeat(self, policy: Policy, actions: Actions) -> set[str]:
        """Tell again of what goes on firing, where that is due: of each alert once. The keys that were tried."""
        now, name, tried = self._clock(), self._destination.name, set[str]()
        if not policy.has_repeats:
            return tried
        due = [repeats for alert in self._tables.open_alerts(name, OPEN_MAX) if (repeats := policy.repeats(alert))]
        ended = self._tables.outcomes(name, [repeat.key for repeats in due for repeat in repeats])
        for repeats in due:
            left = [repeat for repeat in repeats if repeat.key not in ended]
            if not left or (left[0].key in self._tries and self._tries[left[0].key].next_at > now):
                continue
            first, change = left[0], left[0].alert.change
            notification = self._notification(change, None, actions)
            tried.add(first.key)
            try:
                outcome = self._sent(structs.replace(notification, key=first.key, occasion=first.occasion))
            except NotDelivered as error:
                self._try_later(first.key, error)
                break
            self._tries.pop(first.key, None)
            for repeat in left:
                self._note(repeat.key, change.rule, outcome)
        return tried

    def _sent(self, notification: Notification) -> str:
        """Send; the outcome. Raises NotDelivered."""
        try:
            self._destination.send(notification)
        except RefusedForGood as error:
            return f"refused: {error}"
        return "delivered"

    def _note(self, key: str, rule: str, outcome: str) -> None:
        kind = outcome.partition(":")[0]
        if kind == "refused":
            log.warning("notification given up", destination=self._destination.name, rule=rule, outcome=outcome)
        self._tables.record_delivery(self._destination.name, key, outcome, self._telling.now_ms())
        metrics.NOTIFICATIONS.labels(self._destination.name, kind).inc()

    def _notification(self, change: AlertRow, acknowledgement: Action | None, actions: Actions) -> Notification:
        rule = self._telling.rule(change.rule)
        said = Notification.of(change, self._tables.topic, namespace=self._telling.namespace)
        silence = actions.silence(change, self._telling.now_ms())
        return structs.replace(
            said,
            runbook=rule.runbook or "" if rule else "",
            acknowledged=Handled.by_action(acknowledgement) if acknowledgement else None,
            silenced=Handled.by_action(silence) if silence else None,
        )

    def _try_later(self, key: str, error: NotDelivered) -> None:
        name = self._destination.name
        metrics.NOTIFICATIONS.labels(name, "failed").inc()
        self._failing_since = self._clock() if self._failing_since is None else self._failing_since
        self._error = str(error)
        failures = self._tries[key].failures if key in self._tries else 0
        wait = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
        if len(self._tries) < _TRIES_MAX or key in self._tries:
            self._tries[key] = _Tries(failures + 1, self._clock() + wait)
        log.warning("notification not delivered, trying again", destination=name, error=str(error), seconds=wait)

    def _remind(self, actions: Actions) -> None:
        """Tell a destination that forgets, each minute, of all that fires and is not silenced."""
        destination = self._destination
        if not isinstance(destination, Reminded) or self._clock() - self._reminded_at < REMIND_SECONDS:
            return
        if not self._telling.is_judging():  # a sign of life would be a lie
            return
        self._reminded_at = self._clock()
        now_ms = self._telling.now_ms()
        told = [one for one in self._tables.alerts(states=[FIRING]) if not actions.silence(one, now_ms)]
        firing = [self._notification(one, actions.acknowledgement(one), actions) for one in told]
        try:
            destination.remind(firing)
        except (NotDelivered, RefusedForGood) as error:
            log.warning("destination not reminded of what fires", destination=destination.name, error=str(error))
