"""Events to Kafka: acknowledged by all in-sync replicas, or not accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from touchstream.schemas.registry import RegistryUnavailable, SchemaRefused
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topic_first import TopicFirstProducer
from touchstream.streams.broker.topics import EVENT_MESSAGE_BYTES_MAX
from touchstream.streams.channels.bulk import BATCH_BYTES, BulkDestination
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.judged import Record
from touchstream.streams.channels.partitioner import lane_of

log = structlog.get_logger(__name__)

LINGER_MS: Final = 5
"""Milliseconds that a batch waits for more events: the requests of this time share it."""
RECONNECT_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 2.0
"""Timeout of Kafka's answer; a readiness probe seldom waits longer."""


class EventNotDelivered(RuntimeError):  # noqa: N818  it says what happened
    """Kafka didn't acknowledge all events in time. Some may be in the log; sent again, all count once."""


@dataclass(frozen=True)
class DeliveryHealth:
    """`ready`, `disconnected` (Kafka can't be reached) or `stuck` (it is there and doesn't acknowledge), and why."""

    state: str
    detail: str = ""


class GatewayDelivery:
    """The way to Kafka; use it in an `async with` block, which begins connecting and doesn't wait for it.

    aiokafka gathers the events of all requests in batches for each lane, and has one batch of a lane on its way at a
    time: a customer's events keep their order. It isn't idempotent, which the local broker would refuse: a batch whose
    acknowledgement got lost may be in the log twice, and its events count once, by their ids.
    """

    def __init__(self, destination: BulkDestination, delivery_seconds: float) -> None:
        self._destination = destination
        self._seconds = delivery_seconds
        self._link: tuple[AIOKafkaProducer, Encoder] | None = None
        self._problem = "not connected yet"
        self._failed_at: float | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> GatewayDelivery:
        self._connecting = asyncio.create_task(self._connect_until_it_works())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            await self._link[0].stop()

    @property
    def topic(self) -> str:
        """The topic of events."""
        return self._destination.topic

    @property
    def encoder(self) -> Encoder | None:
        """How events are written; None before the first connection: a registry may know more."""
        return self._link[1] if self._link is not None else None

    async def send(self, records: Sequence[Record], timestamp_ms: int) -> None:
        """Events in their order, with their records' timestamp, until Kafka has acknowledged all.

        Raises EventNotDelivered.
        """
        if not records:
            return
        sent: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._seconds):
                await self._enqueue(records, timestamp_ms, sent)
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            for future in sent:
                future.cancel()  # no caller waits for it any more; the event itself may still arrive
            self._failed(error)
            raise EventNotDelivered(str(error) or type(error).__name__) from error
        self._worked()

    async def health(self) -> DeliveryHealth:
        """How it stands now: asks Kafka."""
        if self._link is None:
            return DeliveryHealth("disconnected", self._problem)
        client, topic = self._link[0].client, self._destination.topic
        try:
            answered = await asyncio.wait_for(client.force_metadata_update(), PROBE_SECONDS)
        except TimeoutError:
            answered = False
        if not answered:
            return DeliveryHealth("disconnected", "Kafka doesn't answer")
        partitions = client.cluster.partitions_for_topic(topic)
        if not partitions or partitions != client.cluster.available_partitions_for_topic(topic):
            return DeliveryHealth("disconnected", f"Kafka has no leader for every partition of {topic}")
        if self._failed_at is not None and time.monotonic() - self._failed_at < self._seconds:
            return DeliveryHealth("stuck", "Kafka answers, and doesn't acknowledge events")
        return DeliveryHealth("ready")

    async def _enqueue(self, records: Sequence[Record], timestamp_ms: int, sent: list[asyncio.Future[Any]]) -> None:
        if self._link is None:
            raise EventNotDelivered(self._problem)
        producer = self._link[0]
        for record in records:
            topic = record.topic or self.topic
            lanes = len(await producer.partitions_for(topic))
            lane = lane_of(record.key or b"", lanes)
            sent.append(
                await producer.send(
                    topic,
                    record.value,
                    record.key,
                    partition=lane,
                    timestamp_ms=timestamp_ms,
                    headers=list(record.headers),
                )
            )

    async def _connect_until_it_works(self) -> None:
        while self._link is None:
            try:
                self._link = await self._connect()
                log.info("connected to Kafka", topic=self._destination.topic)
            except (KafkaError, TopicError, RegistryUnavailable, SchemaRefused, OSError) as error:
                problem = _said_of(error)
                if problem != self._problem:
                    log.warning("can't connect yet", error=str(error))
                self._problem = problem
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self) -> tuple[AIOKafkaProducer, Encoder]:
        url, topic = self._destination.schema_registry_url, self._destination.topic
        encoder = await asyncio.to_thread(Encoder.registered, url, topic) if url else Encoder()
        producer = TopicFirstProducer(
            acks="all",
            linger_ms=LINGER_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=EVENT_MESSAGE_BYTES_MAX,
            request_timeout_ms=int(self._seconds * 1000),
            **self._destination.connection.async_client_options(),
        )
        try:
            await producer.start()
            await _require(producer, topic)
        except BaseException:
            await producer.stop()
            raise
        return producer, encoder

    def _failed(self, error: BaseException) -> None:
        if self._failed_at is None:
            log.warning("Kafka doesn't take events", error=str(error) or type(error).__name__)
        self._failed_at = time.monotonic()

    def _worked(self) -> None:
        if self._failed_at is not None:
            log.info("Kafka takes events again")
        self._failed_at = None


def _said_of(error: Exception) -> str:
    """For unauthenticated clients: without addresses of servers."""
    if isinstance(error, TopicError):
        return str(error)
    registry = isinstance(error, RegistryUnavailable | SchemaRefused)
    return "the schema registry doesn't take the schema" if registry else "Kafka can't be reached"


async def _require(producer: AIOKafkaProducer, topic: str) -> None:
    """Raises TopicError if the topic is missing."""
    # Asked of all topics, because asking for one by its name may create it, with whatever the broker thinks right.
    everything = await producer.client.fetch_all_metadata()
    if not everything.partitions_for_topic(topic):
        raise TopicError(f"topic {topic} is missing; `touchstream init` creates it")
