"""Where contestants run: a broker with the events in its log, and the local ClickHouse, each a process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from clickhouse_connect.driver.client import Client

from tests.bench.events import Events
from tests.bench.usage import cpu_seconds
from tests.kafka.apache import ApacheKafka
from tests.kafka.distribution import version
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, Process, running
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.process.connection import KafkaConnection

PARTITIONS: Final = 4
_PUBLISHED_TOGETHER: Final = 50_000  # events encoded at a time
# Stronger than what the command line has in `tests.kafka.apache`, where nobody measures the broker's speed.
_JAVA_OPTIONS: Final = "-Xmx1g -XX:TieredStopAtLevel=4"

AnyBroker = Broker | ApacheKafka


@dataclass(frozen=True)
class Topic:
    """A topic and all events that are in it."""

    name: str
    events: Events


@dataclass(frozen=True)
class Topics:
    """The same events for everybody; `slow` has the first of them, for peers that would need minutes for all.

    Ours has a topic of its own, because a worker adds heartbeats to it.
    """

    ours: Topic
    peers: Topic
    slow: Topic

    @classmethod
    def of(cls, events: Events, slow: int) -> Self:
        """For slow peers so many of the events."""
        return cls(Topic("touchpoints", events), Topic("peers", events), Topic("slow-peers", events[:slow]))


class Arena:
    """Broker and ClickHouse, running; use `arena`."""

    def __init__(self, broker: AnyBroker, clickhouse: ClickHouse, processes: dict[str, Process], logs: Path) -> None:
        self.broker, self.logs = broker, logs
        self._clickhouse, self._processes = clickhouse, processes
        self._client = connect_directly(clickhouse.url("default"))

    @contextmanager
    def database(self, name: str) -> Iterator[tuple[str, Client]]:
        """An empty database of that name, its URL and a client; gone after the block."""
        self._client.command(f"CREATE DATABASE {name}")
        try:
            yield self._clickhouse.url(name), connect(self._clickhouse.url(name))
        finally:
            self._client.command(f"DROP DATABASE {name}")

    def cpu_seconds(self) -> dict[str, float]:
        """What broker and ClickHouse have used so far."""
        return {name: cpu_seconds(process.pid) for name, process in self._processes.items() if process.pid}

    def inserts(self) -> int:
        """How many INSERTs ClickHouse has had so far."""
        query = "SELECT sum(value) FROM system.events WHERE event = 'InsertQuery'"
        return int(self._client.query(query).result_rows[0][0])

    def publish(self, topics: Topics) -> None:
        """Create the topics and put their events in."""
        connection = KafkaConnection.from_url(self.broker.url)
        for topic in (topics.ours, topics.peers, topics.slow):
            ensure_topics(connection, [TopicSpec(topic.name, PARTITIONS, 1)])
            asyncio.run(fill_topic(BulkDestination(connection, topic.name), topic.events))


def local_broker(_directory: Path) -> AnyBroker:
    """The one that `touchstream up` starts."""
    return Broker(free_port())


def apache_kafka(directory: Path) -> AnyBroker:
    """Apache Kafka, one node, with its log in the directory."""
    # Members that join soon after each other come into one generation, as by Kafka's own default.
    return ApacheKafka.of(directory / "kafka", settings={"group.initial.rebalance.delay.ms": "3000"})


@contextmanager
def arena(directory: Path, broker: AnyBroker) -> Iterator[Arena]:
    """The broker and ClickHouse for the block, with their data and logs in the directory. Raises KafkaMissingError."""
    clickhouse = ClickHouse(directory / "clickhouse", free_port())
    with (
        running(_unhindered(broker), directory) as broker_process,
        running(clickhouse.child(), directory) as clickhouse_process,
    ):
        processes = {"broker": broker_process, "clickhouse": clickhouse_process}
        yield Arena(broker, clickhouse, processes, directory)


def broker_name(broker: AnyBroker) -> str:
    """For the reader of a table."""
    return f"Apache Kafka {version()}" if isinstance(broker, ApacheKafka) else "the local broker"


def _unhindered(broker: AnyBroker) -> Child:
    child = broker.child("broker")
    return replace(child, env={"_JAVA_OPTIONS": _JAVA_OPTIONS}) if isinstance(broker, ApacheKafka) else child


async def fill_topic(destination: BulkDestination, events: Events) -> None:
    async with LaneBatches.to(destination) as batches:
        for start in range(0, len(events), _PUBLISHED_TOGETHER):
            together = events[start : start + _PUBLISHED_TOGETHER]
            keys, values = together.record_keys(), together.record_values()
            for span, record_at in together.stamps():
                await batches.add(keys[span], values[span], record_at)
        await batches.flush()
