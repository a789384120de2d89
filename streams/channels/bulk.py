"""Many events at once to Kafka, in batches built here for each lane.

kafka-python takes some 30 µs of Python for each record, aiokafka's compiled batch builder one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from touchstream.streams.broker.topic_first import TopicFirstProducer
from touchstream.streams.broker.topics import partition_count
from touchstream.streams.channels.in_flight import DeliveryFailed
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

BATCH_BYTES = 128 * 1024
DELIVERY_SECONDS = 120


@dataclass(frozen=True)
class BulkDestination:
    """Where events go: Kafka, the topic, and the registry that knows its schema, if there is one."""

    connection: KafkaConnection
    topic: str = "touchpoints"
    schema_registry_url: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The destination in the settings."""
        return cls(settings.kafka_connection(), settings.topic, settings.schema_registry_url)


class LaneBatches:
    """Appends events to one batch for each lane and sends those that are full.

    A lane has one batch in flight and one waiting, so that order is kept and memory is bounded. A batch whose
    acknowledgement got lost is sent again and may be in the log twice: its events have their ids, so that they count
    once. (An idempotent producer would not help the local broker: it refuses aiokafka's InitProducerId.)
    """

    def __init__(self, kafka: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self.acknowledged = 0
        self._kafka = kafka
        self._topic = topic
        self._builders: list[Any] = [kafka.create_batch() for _ in range(partitions)]
        self._pending: set[asyncio.Future[Any]] = set()
        self._failed = 0
        self._first: BaseException | None = None

    @classmethod
    @asynccontextmanager
    async def to(cls, destination: BulkDestination) -> AsyncIterator[Self]:
        """An open connection. Raises TopicError if Kafka can't be reached or doesn't have the topic."""
        partitions = await asyncio.to_thread(partition_count, destination.connection, destination.topic)
        kafka = TopicFirstProducer(
            acks="all",
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=DELIVERY_SECONDS * 1000,
            **destination.connection.async_client_options(),
        )
        await kafka.start()
        try:
            yield cls(kafka, destination.topic, partitions)
        finally:
            await kafka.stop()

    async def add(self, keys: Sequence[bytes], values: Sequence[bytes], timestamp_ms: int) -> None:
        """Events in their order, with their records' timestamp. Waits while Kafka is slow. Raises DeliveryFailed."""
        if self._failed:
            await self.flush()  # says why; going on would only lose more
        for key, value in zip(keys, values, strict=True):
            lane = lane_of(key, len(self._builders))
            if self._builders[lane].append(key=key, value=value, timestamp=timestamp_ms) is None:
                await self._send(lane)
                self._builders[lane].append(key=key, value=value, timestamp=timestamp_ms)

    async def send_begun(self) -> None:
        """Send batches that aren't full, too. Raises DeliveryFailed."""
        for lane, builder in enumerate(self._builders):
            if builder.record_count():
                await self._send(lane)

    async def flush(self) -> None:
        """Send all, until Kafka has acknowledged it. Raises DeliveryFailed if it didn't take some."""
        await self.send_begun()
        if self._pending:
            await asyncio.wait(self._pending)
        failed, first = self._failed, self._first
        self._failed, self._first = 0, None
        if first is not None:
            raise DeliveryFailed(failed, first)

    async def _send(self, lane: int) -> None:
        builder, self._builders[lane] = self._builders[lane], self._kafka.create_batch()
        try:
            delivery = await self._kafka.send_batch(builder, self._topic, partition=lane)
        except KafkaError as error:
            raise DeliveryFailed(builder.record_count(), error) from error
        self._pending.add(delivery)
        delivery.add_done_callback(partial(self._delivered, builder.record_count()))

    def _delivered(self, events: int, delivery: asyncio.Future[Any]) -> None:
        self._pending.discard(delivery)
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        if error is None:
            self.acknowledged += events
        else:
            self._failed += events
            self._first = self._first or error
