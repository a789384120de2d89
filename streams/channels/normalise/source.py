"""The foreign topic, read by a consumer group: which records come next, and what has been done. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import LogPosition, log_identity
from touchstream.streams.channels.normalise.intake import ForeignRecord
from touchstream.streams.process.connection import KafkaConnection

log = structlog.get_logger(__name__)

SESSION_SECONDS: Final = 6.0
"""Seconds without a heartbeat after which another process takes over the partitions: the least that brokers take."""
POLL_RECORDS_MAX: Final = 1_000
_POLL_MS: Final = 500
_FETCH_BYTES_MAX: Final = 8 * 2**20
_COMMIT_MS: Final = 30_000
_MOVED: Final = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
"""Partitions were given to another process meanwhile, which reads again from the last commit."""

StartOffset = Callable[[Any, TopicPartition, LogPosition], int]
"""Where a partition is begun that the group has never read."""


def from_beginning(_consumer: Any, _place: TopicPartition, log_position: LogPosition) -> int:
    """All that the topic still holds."""
    return log_position.begin_offset


def from_end(_consumer: Any, _place: TopicPartition, log_position: LogPosition) -> int:
    """What comes from now on."""
    return log_position.end_offset


def from_time(since_ms: int) -> StartOffset:
    """The first record with that timestamp (ms since 1970) or a later one."""

    def offset(consumer: Any, place: TopicPartition, log_position: LogPosition) -> int:
        found = consumer.offsets_for_times({place: max(0, since_ms)})[place]
        return log_position.end_offset if found is None else int(found.offset)

    return offset


@dataclass
class _Reading:
    """A partition that this process reads: of which log, and the offset that is expected next."""

    log_id: str
    expected: int


class ForeignTopic:
    """Partitions of one topic as the group gives them to this process. Raises KafkaError and TopicError.

    A commit says up to where all is done, and of which log: the topic may be deleted and made anew under its name. A
    group that has committed nothing begins at `start`, and commits that at once. on_lost: is told of offsets that Kafka
    deleted before they were read.
    """

    def __init__(
        self,
        consumer: Any,
        connection: KafkaConnection,
        topic: str,
        start: StartOffset,
        on_lost: Callable[[int], None],
    ) -> None:
        self._consumer, self._connection, self._topic = consumer, connection, topic
        self._start, self._on_lost = start, on_lost
        self._reading: dict[TopicPartition, _Reading] = {}

    def join(self) -> None:
        """Take part in the group: `poll` needs it."""
        self._consumer.subscribe([self._topic], listener=_Moved(self._reading))

    def poll(self) -> Iterator[ForeignRecord]:
        """The next records, those of a partition in their order; after half a second without any, none."""
        polled = self._consumer.poll(timeout_ms=_POLL_MS, max_records=POLL_RECORDS_MAX)
        self._begin_new(polled)
        for place, messages in polled.items():
            yield from self._records(place, messages)

    def commit(self, done: Mapping[int, int]) -> bool:
        """Note up to where all is done: the next offset of each partition. False if another process has them now."""
        offsets = {
            place: OffsetAndMetadata(done[place.partition], reading.log_id, -1)
            for place, reading in dict(self._reading).items()
            if place.partition in done
        }
        try:
            if offsets:
                self._consumer.commit(offsets, timeout_ms=_COMMIT_MS)
        except _MOVED as error:
            log.info("partitions moved; what was not committed is read again and counts once", error=str(error))
            return False
        return True

    def lag(self) -> dict[int, int]:
        """Records between what was read of each partition and its end as of the last fetch."""
        found = {}
        for place in list(self._reading):
            with suppress(*_MOVED):
                end, position = self._consumer.highwater(place), self._consumer.position(place, timeout_ms=1_000)
                if end is not None and position is not None:
                    found[place.partition] = max(0, end - position)
        return found

    @property
    def is_begun(self) -> bool:
        """Whether this process has partitions. Without any it asks Kafka for nothing but some."""
        return bool(self._reading)

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        """Whether the group has read each partition up to its end."""
        return all(self._next(TopicPartition(self._topic, partition)) >= end for partition, end in ends.items())

    def _next(self, place: TopicPartition) -> int:
        if place in self._reading:
            with suppress(*_MOVED):
                return int(self._consumer.position(place) or 0)
        return int(self._consumer.committed(place) or 0)

    def _begin_new(self, polled: Mapping[TopicPartition, list[Any]]) -> None:
        """Puts partitions that were just assigned where they are to begin; what was fetched of them before is left."""
        assigned = self._consumer.assignment()
        new = [place for place in assigned if place not in self._reading]
        # A log that begins anew under the same name has lower offsets.
        new += [one for one, found in polled.items() if one in self._reading and self._went_back(one, found)]
        if not new:
            return
        positions = log_identity(self._connection, self._topic)
        for place in new:
            self._begin(place, positions[place.partition])
            polled.pop(place, None)  # type: ignore[attr-defined] # kafka-python gives a dict

    def _went_back(self, place: TopicPartition, messages: list[Any]) -> bool:
        return bool(messages) and messages[0].offset < self._reading[place].expected

    def _begin(self, place: TopicPartition, at: LogPosition) -> None:
        committed = self._consumer.committed(place, metadata=True)
        if committed is None:
            offset = self._start(self._consumer, place, at)
        elif (committed.metadata or at.log_id) != at.log_id or committed.offset > at.end_offset:
            log.warning("the topic was made anew: it is read from its beginning", partition=place.partition)
            offset = at.begin_offset
        else:
            offset = committed.offset
            self._note_lost(place, offset, at.begin_offset)
        offset = max(offset, at.begin_offset)
        log.info("begins", partition=place.partition, offset=offset, committed=committed is not None)
        with suppress(*_MOVED):
            self._consumer.seek(place, offset)
            self._reading[place] = _Reading(at.log_id, offset)
            if committed is None:
                self.commit({place.partition: offset})

    def _records(self, place: TopicPartition, messages: list[Any]) -> Iterator[ForeignRecord]:
        reading = self._reading.get(place)
        if reading is None or not messages:
            return
        if messages[0].offset > reading.expected:
            self._note_lost(place, reading.expected, self._consumer.beginning_offsets([place])[place])
        for one in messages:
            reading.expected = one.offset + 1
            yield ForeignRecord(
                reading.log_id, place.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers)
            )

    def _note_lost(self, place: TopicPartition, expected: int, begin: int) -> None:
        if begin > expected:
            log.error("Kafka deleted records before they were read", partition=place.partition, lost=begin - expected)
            self._on_lost(begin - expected)


class _Moved(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python is not typed
    """Forgets the partitions of before: they are begun anew, from what was committed, wherever they go."""

    def __init__(self, reading: dict[TopicPartition, _Reading]) -> None:
        self._reading = reading

    def on_partitions_revoked(self, revoked: Any) -> None:
        """As kafka-python calls it, in its thread."""
        for place in revoked:
            self._reading.pop(place, None)

    def on_partitions_assigned(self, assigned: Any) -> None:
        """As kafka-python calls it, in its thread."""
        for place in assigned:
            self._reading.pop(place, None)


@contextmanager
def foreign_topic(
    connection: KafkaConnection, topic: str, group: str, start: StartOffset, on_lost: Callable[[int], None]
) -> Iterator[ForeignTopic]:
    """The topic in the block. Raises TopicError where Kafka doesn't have it, KafkaError where it doesn't answer."""
    consumer: Any = KafkaConsumer(
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=int(SESSION_SECONDS * 1000),
        heartbeat_interval_ms=1_000,
        fetch_max_bytes=_FETCH_BYTES_MAX,
        allow_auto_create_topics=False,
        **connection.client_options(),
    )
    try:
        if not consumer.partitions_for_topic(topic):
            raise TopicError(f"Kafka has no topic {topic}: name one that is there")
        yield ForeignTopic(consumer, connection, topic, start, on_lost)
    finally:
        with suppress(KafkaError):
            consumer.close()
