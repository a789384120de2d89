"""The topic `annotations`: written by commands, read into ClickHouse. Blocking."""

import threading
from collections.abc import Iterator
from typing import Final

import msgspec
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka import KafkaProducer
from kafka.errors import KafkaError

from touchstream.schemas.annotations import Annotation, AnnotationError, checked
from touchstream.schemas.times import instant, now_ms
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable, LoggedAnnotation
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import ANNOTATIONS_TOPIC, log_identity
from touchstream.streams.measure.records import Records
from touchstream.streams.process.connection import KafkaConnection

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
"""Seconds between looks for new annotations."""
_ACKNOWLEDGED_SECONDS: Final = 30


class AnnotationMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the topic holds: an annotation, and the topic of the events that it is about."""

    topic: str
    annotation: Annotation


def publish_annotation(connection: KafkaConnection, topic: str, annotation: Annotation) -> None:
    """Write an annotation about the events of a topic, until all in-sync replicas have it. Raises TopicError."""
    log_identity(connection, ANNOTATIONS_TOPIC)  # says that the topic is missing, where a producer would wait for it
    producer = KafkaProducer(**connection.client_options(), acks="all")
    try:
        key, value = message_of(topic, annotation)
        producer.send(ANNOTATIONS_TOPIC, value, key).get(_ACKNOWLEDGED_SECONDS)
    except KafkaError as error:
        raise TopicError(f"Kafka did not take the annotation: {error}; with the same id, write it again") from error
    finally:
        producer.close()


def message_of(topic: str, annotation: Annotation) -> tuple[bytes, bytes]:
    """Key and value of the record: the same annotation has the same key."""
    return annotation.id.encode(), msgspec.json.encode(AnnotationMessage(topic=topic, annotation=annotation))


class AnnotationReader:
    """Reads the topic into the table, from where the table ends."""

    def __init__(self, connection: KafkaConnection, table: AnnotationTable) -> None:
        self._connection, self._table = connection, table
        self._next: dict[str, int] = {}
        """Where to read on in each log, also behind records that are no annotations."""

    def step(self) -> int:
        """Read what is new; how many. Raises TopicError, ClickHouseError."""
        positions = log_identity(self._connection, ANNOTATIONS_TOPIC)
        logs = {partition: f"{at.log_id}/{partition}" for partition, at in positions.items()}
        starts = {
            partition: max(positions[partition].begin_offset, self._start(one)) for partition, one in logs.items()
        }
        ends = {one: positions[one].end_offset for one, start in starts.items() if start < positions[one].end_offset}
        if not ends:
            return 0
        read = 0
        with log_reader(self._connection, ANNOTATIONS_TOPIC) as reader:
            reader.seek({partition: starts[partition] for partition in ends})
            for polled, _ in reader.until(ends):
                for partition, records in polled.items():
                    logged = list(_logged(records, logs[partition]))
                    self._table.record(logged)
                    self._next[logs[partition]] = int(records.offsets[-1]) + 1
                    read += len(logged)
        return read

    def run(self, stop: threading.Event) -> None:
        """`step` every few seconds until `stop`, whatever Kafka and ClickHouse do. For a thread of its own."""
        away = False
        while not stop.is_set():
            try:
                if read := self.step():
                    log.info("annotations read", annotations=read)
                away = False
            except (TopicError, ClickHouseError, KafkaError) as error:
                if not away:
                    log.warning("annotations are not read", error=str(error).partition("\n")[0])
                away = True
            stop.wait(LOOK_SECONDS)

    def _start(self, log_id: str) -> int:
        if log_id not in self._next:
            last = self._table.read_to(log_id)
            self._next[log_id] = 0 if last is None else last + 1
        return self._next[log_id]


def _logged(records: Records, log_id: str) -> Iterator[LoggedAnnotation]:
    for offset, record_ms, value in zip(records.offsets, records.timestamps_ms, records.values, strict=True):
        try:
            message = msgspec.json.decode(value or b"", type=AnnotationMessage)
            # By the rules of all doors, as of when it was written: what others write to the topic too.
            written_ms = int(record_ms) if record_ms >= 0 else now_ms()
            annotation = checked(message.annotation, instant(written_ms))
        except (msgspec.DecodeError, AnnotationError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            log.warning("a record of annotations is none", offset=int(offset), error=str(error))
            continue
        yield LoggedAnnotation(message.topic, annotation, written_ms, log_id, int(offset))
