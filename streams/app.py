"""The whole topology, on one page.

    touchpoints ──► measure ──► touchpoints, stage_panes, dead_letters, lanes (ClickHouse)
         ▲             └──────► touchpoints.dead-letter
         └── heartbeat                    roll: stage_panes ──► stage_metrics, Prometheus
                                                └──► stage-metrics

Faust gives the consumer group, the agents and the life of the worker; `streams.worker.transport` hands it whole polls;
`streams.worker.lanes` owns the lanes; `streams.measure` is the arithmetic.
"""

import asyncio
import os
import ssl
import tempfile
import time
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import faust
import structlog
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client
from faust.exceptions import FaustError
from faust.tables import TableManager
from faust.types import TP
from prometheus_client import REGISTRY

import touchstream.streams.worker.transport  # noqa: F401 - makes `touchstream://` known to Faust
from touchstream.schemas.metrics import catalogue_of
from touchstream.sinks.prometheus import RollingGauges
from touchstream.streams.broker.topics import DEAD_LETTER_MESSAGE_BYTES_MAX, partition_count
from touchstream.streams.measure.records import Headers
from touchstream.streams.process import metrics
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.health import HealthMonitor
from touchstream.streams.process.settings import Settings
from touchstream.streams.rolling.effects import DesignEffects, effects_duty
from touchstream.streams.rolling.journeys import JourneyRoll, journeys_duty
from touchstream.streams.rolling.outlet import Outlets
from touchstream.streams.rolling.publish import StageMetricsTopic
from touchstream.streams.rolling.roll import QUICK, SHARE_MAX, SLOWER, SLOWER_SHARE_MAX, Roll, roll_duty
from touchstream.streams.rolling.series import Admission, admission_duty
from touchstream.streams.upkeep.editions import Switched, until_switched
from touchstream.streams.upkeep.forget import erase_again_duty
from touchstream.streams.upkeep.reconcile import Reconciler, reconcile_duty
from touchstream.streams.worker.dead_letters import DeadLetterTopic, Send
from touchstream.streams.worker.heartbeat import HEARTBEAT, beat_forever
from touchstream.streams.worker.lanes import Lanes, Limits
from touchstream.streams.worker.leader import lead_forever
from touchstream.streams.worker.observer import Observer
from touchstream.streams.worker.store import WorkerTables
from touchstream.streams.worker.transport import BatchConsumer, Poll, check_libraries

log = structlog.get_logger(__name__)

# The local broker lets a group's first join wait half of this; a dead worker's lanes move after all of it.
_SESSION_SECONDS = 6.0
# A member learns of a rebalance by its heartbeat: until all have, no worker owns any partition.
_HEARTBEAT_SECONDS = 0.5
_REVOKE_PATIENCE_SECONDS = 3.0
_FETCH_BYTES_MAX = 4 * 2**20  # of one partition at a time: some 25,000 events, one batch of columns


class Worker(faust.App):
    """A Faust app that notifies its lanes of every assignment."""

    lanes: Lanes
    end_in_time: Callable[[], None]
    """Called when it begins to fail: what hangs from then on is ended."""

    def lanes_assigned(self, tps: frozenset[TP]) -> None:
        """Take over exactly these partitions."""
        self.lanes.assigned(frozenset(tp.partition for tp in tps))

    def leads(self) -> bool:
        """Whether this worker is the leader: it owns lane 0, so Kafka's group has elected it already."""
        return 0 in self.lanes.last_read

    def fail(self, error: Exception) -> None:
        """End the process with an error; whoever supervises it starts it again, and the lanes are loaded anew."""
        self.end_in_time()
        log.error("worker stops: the state of its lanes is no longer reliable", exc_info=error)
        self._failing = asyncio.ensure_future(self.crash(error))

    async def follow(self, client: Client, clickhouse_url: str) -> None:
        """End the process once its lanes stand in other tables; whoever supervises it starts it again."""
        await until_switched(client, clickhouse_url)
        self.end_in_time()
        log.warning("worker stops, to be started again: another edition is in force")
        self._failing = asyncio.ensure_future(self.crash(Switched("another edition is in force")))


class _NoTables(TableManager):
    """Faust's own tables, of which there are none: nothing to wait a second for before the group is joined."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class _Source:
    """What lanes and observer see of the consumer: partitions of one topic."""

    def __init__(self, app: Worker, topic: str) -> None:
        self._app, self._topic = app, topic

    async def start_reading(self, positions: Mapping[int, int]) -> None:
        await self._consumer.start_reading(self._of_topic(positions))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self._consumer.commit_lanes(self._of_topic(offsets))

    def log_ends(self) -> Mapping[int, int]:
        return {tp.partition: end for tp, end in self._consumer.log_ends.items()}

    async def kafka_answers(self) -> bool:
        return await self._consumer.kafka_answers()

    def _of_topic(self, offsets: Mapping[int, int]) -> dict[TP, int]:
        return {TP(self._topic, partition): offset for partition, offset in offsets.items()}

    @property
    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self._app.consumer)


def build(settings: Settings, monitor: HealthMonitor, end_in_time: Callable[[], None]) -> Worker:
    """A worker that measures the settings' topic, once for a process.

    monitor: what it tells of its health. end_in_time: called when it begins to fail. Raises LibraryError where an
    installed library lacks what is overridden.
    """
    check_libraries()
    app = Worker(settings.group, **_faust_options(settings))
    app.end_in_time = end_in_time
    tables = WorkerTables(settings)

    send = _sender(app)
    letters = DeadLetterTopic(settings.dead_letter_topic, send)
    limits = Limits(flush_seconds=settings.flush_seconds)
    source = _Source(app, settings.topic)
    app.lanes = Lanes(tables, letters, source, limits, fail=app.fail)

    @app.agent(app.topic(settings.topic, value_type=None), concurrency=1)
    async def measure(polls: AsyncIterable[Poll]) -> None:
        async for poll in polls:
            if poll.deleted:
                app.lanes.load_again(poll.tp.partition)
            else:
                await app.lanes.take(poll.tp.partition, poll.position, poll.records)

    async def revoke(*_: Any, **__: Any) -> None:
        await app.lanes.revoked(_REVOKE_PATIENCE_SECONDS)

    async def stop(*_: Any, **__: Any) -> None:
        await app.lanes.stop(_REVOKE_PATIENCE_SECONDS)

    async def beat(partition: int) -> None:
        await app.producer.send_and_wait(settings.topic, None, b"", partition, time.time(), list(HEARTBEAT))

    async def heartbeats() -> None:
        await beat_forever(lambda: app.lanes.last_read, beat)

    gauges = RollingGauges(catalogue_of(settings.metrics_file))
    REGISTRY.register(gauges)
    REGISTRY.register(metrics.WORKER_STATE)

    async def lead() -> None:
        await _lead(app, settings, tables.client, gauges, send)

    observer = Observer(app.lanes, source, tables.client)

    async def look_after_itself() -> None:
        await asyncio.gather(monitor.keep(observer.look), app.follow(tables.client, settings.clickhouse_url))

    app.task(app.lanes.flush_forever)
    app.task(heartbeats)
    app.task(lead)
    app.task(look_after_itself)
    app.on_partitions_revoked.connect(revoke)
    app.on_before_shutdown.connect(stop)
    return app


def _sender(app: Worker) -> Send:
    """How a worker writes to topics; errors are aiokafka's."""

    async def send(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> Any:
        try:
            return await app.producer.send_and_wait(topic, key, value, None, None, list(headers))
        except FaustError as error:
            # What aiokafka refuses before it asks the broker, Faust wraps in an error of its own, and only that.
            raise error.__cause__ if isinstance(error.__cause__, KafkaError) else KafkaError(repr(error)) from error

    return send


async def _lead(app: Worker, settings: Settings, client: Client, gauges: RollingGauges, send: Send) -> None:
    """The duties of the leading worker, for as long as it leads."""
    partitions = await asyncio.to_thread(partition_count, settings.kafka_connection(), settings.topic)
    admission = Admission(client, settings.topic, settings.series_max)
    outlets = Outlets(StageMetricsTopic(settings.topic, send))
    quick = Roll(client, settings.topic, partitions, gauges, QUICK, outlets.add, admission)
    slower = Roll(client, settings.topic, partitions, gauges, SLOWER, outlets.add, admission)
    metrics.UNPUBLISHED_WINDOWS.set_function(lambda: outlets.waiting)
    duties = (
        roll_duty(quick, SHARE_MAX),
        roll_duty(slower, SLOWER_SHARE_MAX),
        admission_duty(admission),
        journeys_duty(JourneyRoll(client, settings.topic)),
        effects_duty(DesignEffects(client, settings.topic)),
        erase_again_duty(client),
        reconcile_duty(Reconciler(client, settings.topic)),
    )
    await asyncio.gather(
        outlets.serve_forever(quick.rows),
        *(lead_forever(duty, app.leads) for duty in duties),
    )


def _faust_options(settings: Settings) -> dict[str, Any]:
    connection = settings.kafka_connection()
    return {
        "broker": [f"touchstream://{server}" for server in connection.servers],
        "broker_credentials": _credentials(connection),
        "broker_session_timeout": _SESSION_SECONDS,
        "broker_heartbeat_interval": _HEARTBEAT_SECONDS,
        "consumer_max_fetch_size": _FETCH_BYTES_MAX,
        "producer_max_request_size": DEAD_LETTER_MESSAGE_BYTES_MAX,
        "producer_acks": -1,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "store": "memory://",
        "TableManager": _NoTables,
        "datadir": str(Path(tempfile.gettempdir()) / f"touchstream-faust-{os.getuid()}"),  # made at start, and empty
        "stream_buffer_maxsize": 2,  # polls, not events
        "stream_wait_empty": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }


def _credentials(connection: KafkaConnection) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """Authentication and protection of the worker's connection."""
    protected = connection.security_protocol.endswith("SSL")
    context = ssl.create_default_context(cafile=connection.ca_file) if protected else None
    if connection.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=connection.sasl_mechanism,
            username=connection.sasl_username,
            password=connection.sasl_password,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if protected else None
