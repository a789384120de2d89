"""A topic's log read by offsets: by a consumer of its own, which joins no group and commits nothing. Blocking."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from touchstream.schemas import times
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import LogPosition
from touchstream.streams.measure.records import Records
from touchstream.streams.process.connection import KafkaConnection

POLL_RECORDS_MAX: Final = 20_000
SILENT_SECONDS: Final = 30.0
_FETCH_BYTES_MAX: Final = 4 * 2**20


class LogReader:
    """Reads partitions of one topic. Raises TopicError where Kafka doesn't answer."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer, self._topic = consumer, topic

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, from these offsets on."""
        self._consumer.assign([self._place(partition) for partition in offsets])
        for partition, offset in offsets.items():
            self._consumer.seek(self._place(partition), offset)

    def until(self, ends: Mapping[int, int]) -> Iterator[tuple[dict[int, Records], int]]:
        """Records by partition, a poll at a time, and how many are left, until each has been read up to its end."""
        moved_at = time.monotonic()
        while left := self._left(ends):
            polled = self.poll()
            if polled:
                moved_at = time.monotonic()
                yield polled, self._left(ends)
            elif time.monotonic() - moved_at > SILENT_SECONDS:
                raise TopicError(f"Kafka sends nothing of {self._topic}, though {left} records are left; try again")

    def poll(self) -> dict[int, Records]:
        """What came next, by partition; empty where nothing did for a fifth of a second."""
        polled = self._consumer.poll(timeout_ms=200, max_records=POLL_RECORDS_MAX)
        now_ms = times.now_ms()
        return {place.partition: Records.of(found, now_ms) for place, found in polled.items()}

    def first_timestamps(self, positions: Mapping[int, LogPosition]) -> dict[int, int]:
        """The timestamp (ms) of the first record of each log that holds one."""
        found = {}
        for partition, at in positions.items():
            if at.begin_offset < at.end_offset:
                self.seek({partition: at.begin_offset})
                # What stands first may be of a transaction that was aborted.
                records, _ = next(self.until({partition: at.end_offset}), ({}, 0))
                if partition in records:
                    found[partition] = int(records[partition].timestamps_ms[0])
        return found

    def offsets_since(self, positions: Mapping[int, LogPosition], since_ms: int) -> dict[int, int]:
        """The first offset of each log whose record has that timestamp or a later one; its end where none has."""
        if since_ms <= 0:
            return {partition: at.begin_offset for partition, at in positions.items()}
        found = self._consumer.offsets_for_times({self._place(partition): since_ms for partition in positions})
        return {
            partition: at.end_offset if (there := found.get(self._place(partition))) is None else there.offset
            for partition, at in positions.items()
        }

    def _left(self, ends: Mapping[int, int]) -> int:
        return sum(max(0, end - self._consumer.position(self._place(one))) for one, end in ends.items())

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


@contextmanager
def log_reader(connection: KafkaConnection, topic: str) -> Iterator[LogReader]:
    """A reader in the block."""
    try:
        consumer: Any = KafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_FETCH_BYTES_MAX,
            fetch_max_wait_ms=100,
            **connection.client_options(),
        )
        try:
            yield LogReader(consumer, topic)
        finally:
            consumer.close()
    except KafkaError as error:
        raise TopicError(f"Kafka at {','.join(connection.servers)}: {error}") from error
