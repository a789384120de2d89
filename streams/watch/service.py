"""`watch` as a process: judges every second in this thread, tells each destination in a thread of its own."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.alerts import DEFAULT_FILE, Known, Rules
from touchstream.schemas.definitions import DefinitionError, Finding, Severity
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import catalogue_of
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.alerts.rounds import ROUND_SECONDS, record_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import Database
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.notify.alertmanager import Alertmanager
from touchstream.sinks.notify.notification import Destination
from touchstream.sinks.notify.slack import Slack
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.process import metrics
from touchstream.streams.process.health import Health
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.signals import Stop
from touchstream.streams.watch.delivery import DestinationWorker
from touchstream.streams.watch.kafka_destination import AlertsTopic
from touchstream.streams.watch.watch import Watch

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 90.0
"""Seconds without a step until `watch` is stuck: a step queries ClickHouse per rule, with a timeout of a minute."""
_STOP_SECONDS: Final = 3.0


class WatchHealth:
    """ready, starting (no round yet), disconnected (ClickHouse doesn't answer) or stuck. For any thread."""

    def __init__(self) -> None:
        self._tell(Health("starting", "no round of judging has ended yet"))

    def worked(self) -> None:
        """A round has ended."""
        self._tell(Health("ready"))

    def failed(self, detail: str) -> None:
        """ClickHouse didn't take a round."""
        self._tell(Health("disconnected", detail))

    def health(self) -> Health:
        """The health of `watch` now."""
        silent = time.monotonic() - self._told_at
        if silent < STUCK_SECONDS:
            return self._health
        return Health("stuck", f"no round has ended for {silent:.0f} s", stuck_seconds=silent)

    def _tell(self, health: Health) -> None:
        self._health, self._told_at = health, time.monotonic()
        metrics.WATCH_STATE.state(health.state)


def known(settings: Settings) -> Known:
    """What rules may speak of. Raises DefinitionError, OSError."""
    return Known(
        Journeys.load(settings.journey_file or DEFAULT_JOURNEY).journeys,
        catalogue_of(settings.metrics_file),
        {window.name: window.length_ms for window in WINDOWS},
    )


def checked(rules: Rules, about: Known) -> tuple[Finding, ...]:
    """The gaps of rules that can be judged. Raises DefinitionError with all errors."""
    findings = rules.check(about)
    errors = [finding for finding in findings if finding.severity == Severity.ERROR]
    if errors:
        raise DefinitionError(*errors)
    return tuple(findings)


def destinations(settings: Settings) -> list[Destination]:
    """The destinations of notifications, from the settings; always including the topic."""
    found: list[Destination] = [AlertsTopic(settings.kafka_connection())]
    if settings.alerts_webhook_url:
        found.append(Webhook(settings.alerts_webhook_url))
    if settings.alertmanager_url:
        found.append(Alertmanager(settings.alertmanager_url))
    if settings.alerts_slack_url:
        found.append(Slack(settings.alerts_slack_url))
    return found


def watch_until(settings: Settings, health: WatchHealth, stop: Stop) -> None:
    """Judge and tell until `stop`. ClickHouse, Kafka and destinations may be away: it goes on when they are back.

    Raises DefinitionError, OSError for files that can't be used.
    """
    about = known(settings)
    rules = Rules.load(settings.alerts_file or DEFAULT_FILE)
    checked(rules, about)
    told = destinations(settings)
    log.info("watch begins", rules=len(rules.rules), destinations=[one.name for one in told])
    database = Database(settings.clickhouse_url)
    client = _connected(database, health, stop)
    if client is None:
        return
    tables = AlertTables(client, settings.topic)
    workers = [DestinationWorker(tables, one) for one in told]
    threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()

    def wake() -> None:
        for worker in workers:
            worker.wake()

    watch = Watch(tables, rules, about.catalogue, [one.name for one in told], wake)
    rounds = _Rounds(client, settings.topic, watch)
    _judge_until(watch, rounds, database.client, health, stop)
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join(_STOP_SECONDS)
    log.info("watch ends")


def _connected(database: Database, health: WatchHealth, stop: Stop) -> Client | None:
    """A client; None when it was stopped before."""
    while not stop.is_set():
        try:
            return database.client()
        except ClickHouseError as error:
            _away(health, error)
            stop.wait(LOOK_SECONDS)
    return None


class _Rounds:
    """Says in the tables how far a watch has judged: whenever that changes, and every few seconds."""

    def __init__(self, client: Client, topic: str, watch: Watch) -> None:
        self._client, self._topic, self._watch = client, topic, watch
        self._recorded_at, self._judged_to_ms = float("-inf"), -1

    def record(self) -> None:
        """After a step. Raises ClickHouseError."""
        now, watch = time.monotonic(), self._watch
        if now - self._recorded_at < ROUND_SECONDS and watch.judged_to_ms == self._judged_to_ms:
            return
        record_round(self._client, self._topic, len(watch.rules), watch.step_ms, watch.judged_to_ms)
        self._recorded_at, self._judged_to_ms = now, watch.judged_to_ms


def _judge_until(
    watch: Watch, rounds: _Rounds, follow_edition: Callable[[], object], health: WatchHealth, stop: Stop
) -> None:
    while not stop.is_set():
        began = time.monotonic()
        judged = 0
        try:
            follow_edition()
            judged = watch.step()
            rounds.record()
            health.worked()
            metrics.WATCH_SECONDS.observe(time.monotonic() - began)
        except ClickHouseError as error:
            _away(health, error)
        # What waits after a pause is caught up with at once, but ClickHouse gets its turn for others.
        stop.wait(0.05 if judged > len(watch.rules) else LOOK_SECONDS)


def _away(health: WatchHealth, error: ClickHouseError) -> None:
    if health.health().state != "disconnected":
        log.warning("alerts wait for ClickHouse", error=first_line(error))
    health.failed(first_line(error))
