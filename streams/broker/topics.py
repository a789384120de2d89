"""Create the topics, look at those that exist, and tell one log from another. Synchronous: call it in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
    for_code,
)
from kafka.protocol.consumer.offsets import IsolationLevel, OffsetSpec

from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.process.connection import KafkaConnection

if TYPE_CHECKING:
    from touchstream.streams.process.settings import Settings

# An event is at most 1 MiB; a batch of one adds its key (which the value holds too), 61 bytes of batch header and up to
# 21 of record header. 64 KiB is room for any sane customer id.
EVENT_MESSAGE_BYTES_MAX = 1024 * 1024 + 64 * 1024
# A dead letter carries the bytes of what couldn't be used, which may be larger than an event may be.
DEAD_LETTER_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
STAGE_METRICS_TOPIC = "stage-metrics"
"""Complete rolling rows; those of several topics of events share it, for the topic is part of the key."""
ALERTS_TOPIC = "alerts"
"""Alerts that fire or are resolved; those of several topics of events share it, which each message names."""
ANNOTATIONS_TOPIC = "annotations"
"""What people and systems say happened; about several topics of events, which each message names. Kept for ever."""
CONNECT_TIMEOUT_MS = 10_000
HIGH_WATERMARK_SECONDS = 10
_KNOWN_SECONDS = 10
_KNOWN_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be created. `lanes`: records are keyed by customer, so the partitions may never change."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)
    lanes: bool = False


@dataclass(frozen=True)
class TopicReport:
    """A topic as it is. `warnings` are sentences for the person who ran `init`; none means all is as it should be."""

    name: str
    created: bool
    partitions: int
    log_id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogPosition:
    """Where one partition's log begins and ends. `end_offset` is that of the next record to be written."""

    log_id: str
    begin_offset: int
    end_offset: int


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The topics that Touchstream needs, as `settings` ask for them."""
    return (
        TopicSpec(
            settings.topic,
            settings.partitions,
            settings.replication,
            # The broker's clock makes the lane clock trustworthy; producers stamp records too, for brokers without it.
            {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(EVENT_MESSAGE_BYTES_MAX)},
            lanes=True,
        ),
        TopicSpec(
            settings.dead_letter_topic,
            settings.partitions,
            settings.replication,
            {"max.message.bytes": str(DEAD_LETTER_MESSAGE_BYTES_MAX)},
        ),
        TopicSpec(STAGE_METRICS_TOPIC, settings.partitions, settings.replication),
        TopicSpec(ALERTS_TOPIC, settings.partitions, settings.replication),
        TopicSpec(ANNOTATIONS_TOPIC, 1, settings.replication, {"retention.ms": "-1"}),
    )


def ensure_topics(connection: KafkaConnection, specs: Sequence[TopicSpec]) -> list[TopicReport]:
    """Create the missing topics and report on all. Changes nothing that exists; idempotent, and safe to race.

    Raises TopicError if Kafka can't be reached or refuses to create one.
    """
    with _admin(connection) as admin:
        created = {spec.name for spec in specs if _create(admin, spec)}
        admin.wait_for_topics([spec.name for spec in specs])
        described, configs = _described_and_configs(admin, [spec.name for spec in specs])
        return [
            TopicReport(
                name=spec.name,
                created=spec.name in created,
                partitions=len(described[spec.name]["partitions"]),
                log_id=_log_id(admin, described[spec.name]),
                warnings=tuple(_warnings(spec, len(described[spec.name]["partitions"]), configs.get(spec.name, {}))),
            )
            for spec in specs
        ]


def retentions(connection: KafkaConnection, topics: Sequence[str]) -> dict[str, int | None]:
    """How long each topic keeps a record, in ms; None where the broker doesn't say, −1 for ever. Raises TopicError."""
    with _admin(connection) as admin:
        configs = _configs(admin, topics)
    found = {name: configs.get(name, {}).get("retention.ms") for name in topics}
    return {name: None if value is None else int(value) for name, value in found.items()}


def partition_count(connection: KafkaConnection, topic: str) -> int:
    """How many partitions a topic has. Raises TopicError if Kafka can't be reached or doesn't have it."""
    with _admin(connection) as admin:
        return len(_describe(admin, [topic])[topic]["partitions"])


def log_identity(connection: KafkaConnection, topic: str) -> dict[int, LogPosition]:
    """Each partition's log: its identity, its first offset and its end: what may be read, without open transactions.

    The identity is Kafka's topic id (KIP-516), which is new when a topic is deleted and created again or when a broker
    has lost its log. A broker older than 2.8 gives none: then it is the cluster's id and the topic's name, and a
    log that began anew shows only by its end offset.

    Raises TopicError if Kafka can't be reached or doesn't have the topic.
    """
    with _admin(connection) as admin, closing(_reader(connection)) as reader:
        described = _describe(admin, [topic])[topic]
        log_id = _log_id(admin, described)
        partitions = [TopicPartition(topic, partition["partition_index"]) for partition in described["partitions"]]
        begins = reader.beginning_offsets(partitions)
        listed = reader.end_offsets(partitions)
        ends = _stable_ends(admin, listed, _ends(reader, begins, listed))
        return {
            partition.partition: LogPosition(log_id, begins[partition], ends[partition])
            for partition in sorted(partitions)
        }


class SharedLogIdentity:
    """`log_identity` for threads that ask at the same time: those that wait for their turn share one answer.

    No thread gets an answer that was begun before it asked: a lane's end must be seen after its row was read.
    """

    def __init__(self, ask: Callable[[], dict[int, LogPosition]]) -> None:
        self._ask = ask
        self._asking = Lock()
        self._begun = self._answered = 0
        self._answer: dict[int, LogPosition] = {}

    def now(self) -> dict[int, LogPosition]:
        """As `log_identity`. Raises TopicError."""
        begun_before = self._begun
        with self._asking:
            if self._answered <= begun_before:
                self._begun += 1
                self._answer = self._ask()
                self._answered = self._begun
            return self._answer


def _reader(connection: KafkaConnection) -> Any:
    """A consumer of its own: it joins no group, commits nothing, and takes one batch at a time."""
    return KafkaConsumer(
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=1,
        fetch_max_wait_ms=50,
        **connection.client_options(),
    )


def _ends(
    reader: Any, begins: Mapping[TopicPartition, int], listed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where each log really ends.

    The local broker lists the first offset of the last batch, plus one. What it says when it is read (the high
    watermark) is right, there and elsewhere: so the last batch of each log that has one is read, and not looked at.
    """
    filled = [partition for partition, end in listed.items() if end > begins[partition]]
    reader.assign(filled)
    for partition in filled:
        reader.seek(partition, listed[partition] - 1)
    deadline = time.monotonic() + HIGH_WATERMARK_SECONDS
    while any(reader.highwater(partition) is None for partition in filled) and time.monotonic() < deadline:
        reader.poll(timeout_ms=50)
    return {
        partition: max(end, (partition in filled and reader.highwater(partition)) or 0)
        for partition, end in listed.items()
    }


def _stable_ends(
    admin: Any, listed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where a reader of committed records comes to an end: before the first transaction that is still open."""
    try:
        stable = admin.list_partition_offsets(
            dict.fromkeys(listed, OffsetSpec.LATEST), isolation_level=IsolationLevel.READ_COMMITTED
        )
    except UnsupportedVersionError:  # a broker without transactions
        return dict(ends)
    # Asked after `listed`: only an open transaction makes it less.
    return {one: stable[one].offset if stable[one].offset < listed[one] else end for one, end in ends.items()}


@contextmanager
def _admin(connection: KafkaConnection) -> Iterator[Any]:
    try:
        admin = KafkaAdminClient(bootstrap_timeout_ms=CONNECT_TIMEOUT_MS, **connection.client_options())
    except (KafkaError, OSError, ValueError) as error:
        servers = ",".join(connection.servers)
        raise TopicError(
            f"Kafka doesn't answer at {servers}: {error}; start it or set TOUCHSTREAM_KAFKA_URL"
        ) from error
    try:
        yield admin
    except KafkaError as error:
        raise TopicError(f"Kafka at {','.join(connection.servers)}: {error}") from error
    finally:
        admin.close()


def _create(admin: Any, spec: TopicSpec) -> bool:
    """Whether this call created it: False if it was there, or another process was faster."""
    request = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.configs),
        }
    }
    answer = admin.create_topics(request, raise_errors=False)["topics"][0]
    error = for_code(answer["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    # Whether one may create is asked before whether there is anything to create: topics may be made by others.
    if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError) and _is_there(admin, spec.name):
        return False
    if answer["error_code"]:
        raise TopicError(f"Kafka doesn't create the topic {spec.name}: {answer['error_message'] or error.__name__}")
    return True


def _is_there(admin: Any, topic: str) -> bool:
    return any(found["name"] == topic and not found["error_code"] for found in admin.describe_topics([topic]))


def _describe(admin: Any, topics: Sequence[str]) -> dict[str, Any]:
    described = {topic["name"]: topic for topic in admin.describe_topics(list(topics))}
    for name in topics:
        code = described[name]["error_code"] if name in described else 3
        if code:
            raise TopicError(f"topic {name}: {for_code(code).__name__}; `touchstream init` creates it")
    return described


def _described_and_configs(admin: Any, topics: Sequence[str]) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Descriptions and configs of topics, retried briefly: brokers learn of a new topic one after another."""
    deadline = time.monotonic() + _KNOWN_SECONDS
    while True:
        try:
            return _describe(admin, topics), _configs(admin, topics)
        except (TopicError, UnknownTopicOrPartitionError):
            if time.monotonic() > deadline:
                raise
        time.sleep(_KNOWN_LOOK_SECONDS)


def _configs(admin: Any, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    """Each topic's configuration as strings; empty where the broker tells none, as the local one does."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    described = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {name: {key: str(entry["value"]) for key, entry in entries.items()} for name, entries in described.items()}


def _log_id(admin: Any, described: Mapping[str, Any]) -> str:
    if described.get("topic_id"):
        return str(described["topic_id"])
    return f"{admin.describe_cluster()['cluster_id']}/{described['name']}"


def _warnings(spec: TopicSpec, partitions: int, configs: Mapping[str, str]) -> Iterator[str]:
    if spec.lanes and partitions != spec.partitions:
        yield (
            f"{spec.name} has {partitions} partitions, not {spec.partitions}: left as it is, as a customer would change"
            f" lanes; set TOUCHSTREAM_PARTITIONS={partitions}, or publish to a new topic"
        )
    wanted = spec.configs.get("message.timestamp.type")
    found = configs.get("message.timestamp.type", wanted)
    if wanted and wanted != found:
        yield (
            f"{spec.name} has message.timestamp.type={found}: the lane clock then trusts every producer's clock;"
            f" set it to {wanted} with kafka-configs"
        )
    bytes_wanted = int(spec.configs.get("max.message.bytes", 0))
    bytes_found = int(configs.get("max.message.bytes", bytes_wanted))
    if bytes_found < bytes_wanted:
        yield f"{spec.name} has max.message.bytes={bytes_found}: messages up to {bytes_wanted} bytes should fit"
