"""`watch` as a process: judges every second in this thread, tells each destination in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas import times
from touchstream.schemas.alert_destinations import MailServer, mail_addresses, webhook_keys
from touchstream.schemas.alerts import DEFAULT_FILE, Known, Rules
from touchstream.schemas.definitions import DefinitionError, Finding, Severity
from touchstream.schemas.instruments import in_force
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue, catalogue_of
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
from touchstream.sinks.clickhouse.alerts.cause import CauseTables
from touchstream.sinks.clickhouse.alerts.namespaces import Namespace, claim_namespace
from touchstream.sinks.clickhouse.alerts.rounds import ROUND_SECONDS, record_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import Database
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.notify.alertmanager import Alertmanager
from touchstream.sinks.notify.heartbeat import Heartbeat
from touchstream.sinks.notify.mail import Email
from touchstream.sinks.notify.notification import Destination
from touchstream.sinks.notify.slack import Slack
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.broker.annotations import AnnotationReader
from touchstream.streams.process import metrics
from touchstream.streams.process.health import ProcessHealth
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.signals import Stop
from touchstream.streams.watch.dead_destinations import DeadDestinations
from touchstream.streams.watch.delivery import DestinationWorker
from touchstream.streams.watch.evidence.buckets import BUCKET_MS
from touchstream.streams.watch.evidence_watch import EvidenceWatch
from touchstream.streams.watch.incident_watch import IncidentSources, IncidentWatch
from touchstream.streams.watch.kafka_destination import AlertsTopic
from touchstream.streams.watch.noted import Noted
from touchstream.streams.watch.policy import Telling
from touchstream.streams.watch.watch import Watch

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 90.0
"""Seconds without a step until `watch` is stuck: a step queries ClickHouse per rule, with a timeout of a minute."""
RETRACT_SECONDS: Final = 20.0
"""Seconds between looks for late events that unmake an alert."""
_STOP_SECONDS: Final = 3.0


class WatchHealth:
    """ready, starting (no round yet), disconnected (ClickHouse doesn't answer) or stuck. For any thread."""

    def __init__(self) -> None:
        self._tell(ProcessHealth("starting", "no round of judging has ended yet"))

    def worked(self) -> None:
        """A round has ended."""
        self._tell(ProcessHealth("ready"))

    def failed(self, detail: str) -> None:
        """ClickHouse didn't take a round."""
        self._tell(ProcessHealth("disconnected", detail))

    def health(self) -> ProcessHealth:
        """The health of `watch` now."""
        silent = time.monotonic() - self._told_at
        if silent < STUCK_SECONDS:
            return self._health
        return ProcessHealth("stuck", f"no round has ended for {silent:.0f} s", stuck_seconds=silent)

    def _tell(self, health: ProcessHealth) -> None:
        self._health, self._told_at = health, time.monotonic()
        metrics.WATCH_STATE.state(health.state)


def known(settings: Settings) -> Known:
    """What rules may speak of. Raises DefinitionError, OSError.

    Instruments are those of the definitions in force, or of the file while ClickHouse doesn't answer.
    """
    if settings.instruments_file is None:
        with suppress(ClickHouseError):
            Database(settings.clickhouse_url).client()
    return Known(
        Journeys.load(settings.journey_file or DEFAULT_JOURNEY).journeys,
        catalogue_of(settings.metrics_file).under(in_force()),
        {window.name: window.length_ms for window in WINDOWS},
    )


def checked(rules: Rules, about: Known) -> tuple[Finding, ...]:
    """The gaps of rules that can be judged. Raises DefinitionError with all errors."""
    findings = rules.check(about)
    errors = [finding for finding in findings if finding.severity == Severity.ERROR]
    if errors:
        raise DefinitionError(*errors)
    return tuple(findings)


def destinations(settings: Settings, namespace: str = "") -> list[Destination]:
    """The destinations of notifications, from the settings; always including the topic. namespace: as it is stored."""
    found: list[Destination] = [AlertsTopic(settings.kafka_connection(), namespace=namespace)]
    if settings.alerts_webhook_url:
        keys = webhook_keys(settings.alerts_webhook_keys) if settings.alerts_webhook_keys else ()
        found.append(Webhook(settings.alerts_webhook_url, keys))
    if settings.alerts_email_server and settings.alerts_email_from and settings.alerts_email_to:
        server, to = MailServer.from_url(settings.alerts_email_server), mail_addresses(settings.alerts_email_to)
        found.append(Email(server, settings.alerts_email_from, to, settings.alerts_email_ca_file))
    if settings.alertmanager_url:
        found.append(Alertmanager(settings.alertmanager_url, namespace))
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
    database = Database(settings.clickhouse_url)
    begun = _begun(database, settings.topic, rules.namespace, health, stop)
    if begun is None:
        return
    client, namespace = begun
    told = destinations(settings, namespace.stored)
    names = [one.name for one in told]
    log.info("watch begins", rules=len(rules.rules), namespace=namespace.name, destinations=names)
    tables = AlertTables(client, settings.topic, namespace.stored)
    telling = Telling(rules, namespace.name, is_judging=lambda: health.health().state == "ready")
    workers = [DestinationWorker(tables, one, telling=telling) for one in told]
    if settings.alerts_heartbeat_url:
        workers.append(DestinationWorker(tables, Heartbeat(settings.alerts_heartbeat_url), telling=telling))
    threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()

    def wake() -> None:
        for worker in workers:
            worker.wake()

    dead = DeadDestinations(
        tables, {one.name: worker.trouble for one, worker in zip(told, workers, strict=False)}, wake
    )
    reader, stop_reading = AnnotationReader(settings.kafka_connection(), AnnotationTable(client)), threading.Event()
    threads.append(threading.Thread(target=reader.run, args=(stop_reading,), daemon=True))
    threads[-1].start()
    judges = _judges(settings, client, tables, dead, Told(rules, about.catalogue, names, wake))
    _judge_until(judges, database.client, health, stop)
    stop_reading.set()
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join(_STOP_SECONDS)
    log.info("watch ends")


@dataclass(frozen=True)
class Told:
    """What is judged, who is told by name, and what is called when there is something to tell."""

    rules: Rules
    catalogue: Catalogue
    destinations: Sequence[str]
    wake: Callable[[], None]


def _judges(settings: Settings, client: Client, tables: AlertTables, dead: DeadDestinations, told: Told) -> "_Judges":
    annotations, topic = AnnotationTable(client), settings.topic
    sources = IncidentSources(CauseTables(client), Noted(annotations, topic))
    # Alertmanager groups what it gets by itself.
    people = [name for name in told.destinations if name != Alertmanager.name]
    incidents = IncidentWatch(tables, sources, told.rules, told.catalogue, people, told.wake)

    def written() -> None:
        incidents.wake()
        told.wake()

    evidence = EvidenceWatch(
        tables,
        BucketTables(client, topic, tables.namespace or ""),
        told.rules,
        told.catalogue,
        told.destinations,
        written,
        partial(annotations.between, topic),
    )
    watch = Watch(tables, told.rules, told.catalogue, told.destinations, written, evidence.muting)
    return _Judges(settings, client, watch, evidence, dead, incidents, len(told.rules.rules), tables.namespace or "")


def _begun(
    database: Database, topic: str, namespace: str, health: WatchHealth, stop: Stop
) -> tuple[Client, Namespace] | None:
    """A client, and the namespace that is judged; None when it was stopped before."""
    while not stop.is_set():
        try:
            client = database.client()
            return client, claim_namespace(client, topic, namespace)
        except ClickHouseError as error:
            _away(health, error)
            stop.wait(LOOK_SECONDS)
    return None


class _Judges:
    """Rules of windows and rules by evidence, and how far they have judged: said in the tables every few seconds."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        watch: Watch,
        evidence: EvidenceWatch,
        dead: DeadDestinations,
        incidents: IncidentWatch,
        rules: int,
        namespace: str,
    ) -> None:
        self._client, self._topic, self._lateness_ms = client, settings.topic, int(1000 * settings.lateness_seconds)
        self._watch, self._evidence, self._incidents = watch, evidence, incidents
        self._rules, self._namespace = rules, namespace
        self._dead = dead
        self._recorded_at, self._judged_to_ms = float("-inf"), -1
        self._clock_lies, self._retracted_at, self._newest = False, float("-inf"), -1

    def step(self) -> bool:
        """Judge what is complete, some of it; whether much of it was waiting. Raises ClickHouseError."""
        buckets = self._evidence.step(self._newest_bucket())  # feeds first: silent ones mute the rules of windows too
        judged = self._watch.step()
        if time.monotonic() - self._retracted_at >= RETRACT_SECONDS:
            self._evidence.retract()
            self._dead.step()
            self._retracted_at = time.monotonic()
        self._incidents.step(times.now_ms())
        self._record()
        return judged > len(self._watch.rules) or buckets > self._rules

    def _newest_bucket(self) -> int:
        """The number of the last bucket that all lanes have passed, and the clock with the usual lateness."""
        now_ms = times.now_ms()
        if now_ms + self._lateness_ms < (self._newest + 2) * BUCKET_MS:
            return self._newest  # the next one has not ended: lanes need not be asked
        watermark_ms = min((lane.watermark_ms for lane in lanes(self._client, self._topic)), default=0)
        clock_lies = watermark_ms > now_ms + self._lateness_ms
        if clock_lies and not self._clock_lies:
            log.warning("event time is ahead of the clock: buckets wait for it", ahead_ms=watermark_ms - now_ms)
        self._clock_lies = clock_lies
        self._newest = min(watermark_ms, now_ms + self._lateness_ms) // BUCKET_MS - 1
        return self._newest

    def _record(self) -> None:
        now, watch = time.monotonic(), self._watch
        step_ms, judged_to_ms = watch.step_ms, watch.judged_to_ms
        if not step_ms and self._rules:  # all by evidence
            step_ms, judged_to_ms = BUCKET_MS, self._evidence.judged_to_ms
        if now - self._recorded_at < ROUND_SECONDS and judged_to_ms == self._judged_to_ms:
            return
        record_round(self._client, self._topic, self._rules, step_ms, judged_to_ms, self._namespace)
        self._recorded_at, self._judged_to_ms = now, judged_to_ms


def _judge_until(judges: _Judges, follow_edition: Callable[[], object], health: WatchHealth, stop: Stop) -> None:
    while not stop.is_set():
        began = time.monotonic()
        waits = False
        try:
            follow_edition()
            waits = judges.step()
            health.worked()
            metrics.WATCH_SECONDS.observe(time.monotonic() - began)
        except ClickHouseError as error:
            _away(health, error)
        # What waits after a pause is caught up with at once, but ClickHouse gets its turn for others.
        stop.wait(0.05 if waits else LOOK_SECONDS)


def _away(health: WatchHealth, error: ClickHouseError) -> None:
    if health.health().state != "disconnected":
        log.warning("alerts wait for ClickHouse", error=first_line(error))
    health.failed(first_line(error))
