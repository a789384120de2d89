"""The producer for channels: validates, encodes, keys and delivers touchpoint events. Thread-safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from touchstream.schemas import times
from touchstream.schemas.codec import from_fields
from touchstream.schemas.scales import Scales
from touchstream.schemas.times import since_epoch
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, Reason, Refusal, Touchpoint
from touchstream.schemas.validity import canonical, check
from touchstream.schemas.void_ids import VOID_WORDS, VoidIds
from touchstream.streams.broker.topics import EVENT_MESSAGE_BYTES_MAX, partition_count
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.event_ids import new_event_id
from touchstream.streams.channels.in_flight import DeliveryFailed, InFlight
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.process.connection import KafkaConnection

if TYPE_CHECKING:
    from touchstream.streams.process.settings import Settings

BUFFER_BYTES_MAX = 64 * 1024 * 1024
EVENT_OVERHEAD_BYTES = 1024  # what kafka-python holds for a record in flight, beside its bytes
BATCH_BYTES = 128 * 1024
LINGER_MS = 5  # waits that long for company before sending: half of the throughput, none of the felt delay


class Refused(ValueError):  # noqa: N818  the word of the interface
    """The event can't be used, and was not sent. `reason` is one of the interface's codes, `detail` what to mend."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Delivery:
    """An event on its way."""

    def __init__(self, event_id: str, future: Any) -> None:
        self.event_id = event_id
        self._future = future

    @property
    def done(self) -> bool:
        """Whether Kafka has acknowledged it or it has failed."""
        return bool(self._future.is_done)

    def wait(self, timeout_seconds: float = 120) -> tuple[int, int]:
        """Wait until Kafka has acknowledged it; its partition and offset. Raises DeliveryFailed."""
        try:
            record = self._future.get(timeout_seconds)
        except KafkaError as error:
            raise DeliveryFailed(1, error) from error
        return record.partition, record.offset


class Producer:
    """Publishes touchpoint events to Kafka; use it in a `with` block, or call `close`.

    An event is acknowledged by all in-sync replicas, and retries neither reorder nor double it. Raises TopicError if
    Kafka can't be reached or doesn't have the topic: `touchstream init` creates it.

    `buffer_bytes_max` bounds the memory of events on their way; `max_block_seconds` how long `publish` waits for room
    in it; `delivery_seconds` how long Kafka may take to acknowledge an event. `scales`: of declared instruments;
    without them answers to any are sent, and workers refuse those that aren't declared.
    """

    def __init__(
        self,
        url: str | KafkaConnection = "kafka://127.0.0.1:9092",
        *,
        topic: str = "touchpoints",
        schema_registry_url: str | None = None,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
        max_block_seconds: float = 60,
        delivery_seconds: float = 120,
        void_ids: tuple[str, ...] = VOID_WORDS,
        scales: Scales | None = None,
    ) -> None:
        connection = KafkaConnection.from_url(url) if isinstance(url, str) else url
        self.topic = topic
        self._void_ids, self._scales = VoidIds.of(void_ids), scales
        self._partitions = partition_count(connection, topic)
        self.encoder = Encoder.registered(schema_registry_url, topic) if schema_registry_url else Encoder()
        self._in_flight = InFlight(buffer_bytes_max, max_block_seconds)
        self._kafka = KafkaProducer(
            acks="all",
            enable_idempotence=True,
            batch_size=BATCH_BYTES,
            linger_ms=LINGER_MS,
            max_request_size=EVENT_MESSAGE_BYTES_MAX,
            request_timeout_ms=int(min(30, delivery_seconds / 2) * 1000),
            delivery_timeout_ms=int(delivery_seconds * 1000),
            max_block_ms=int(max_block_seconds * 1000),
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **connection.client_options(),
        )

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:
        """A producer as the settings ask for it."""
        return cls(
            settings.kafka_connection(),
            topic=settings.topic,
            schema_registry_url=settings.schema_registry_url,
            void_ids=settings.void_words,
            scales=settings.scales(),
            **options,
        )

    def publish(
        self,
        *,
        channel: str,
        touchpoint: str,
        customer_id: str | None = None,
        anonymous_id: str | None = None,
        event_id: str | None = None,
        occurred_at: datetime | int | str | None = None,
        stage: str | None = None,
        journey: str | None = None,
        segment: str | None = None,
        action: str = "contact",
        outcome: str | None = None,
        duration_ms: int | None = None,
        nps: int | None = None,
        csat: int | None = None,
        ces: int | None = None,
        sentiment: float | None = None,
        revenue_minor: int | None = None,
        currency: str | None = None,
        instrument: str | None = None,
        score: float | None = None,
        amends: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> Delivery:
        """Send one event; the fields are those of the interface. Returns before Kafka has it: see `flush`.

        `event_id` is a new one by default, `occurred_at` (datetime with a zone, milliseconds or ISO 8601) now.

        Raises Refused if the event can't be used, BufferFull if Kafka takes none.
        """
        fields = locals()
        del fields["self"]
        return self.publish_fields(fields)

    def publish_fields(self, fields: Mapping[str, Any]) -> Delivery:
        """The same for fields by name, as JSON has them. An absent or null one gets its default."""
        now_ms = times.now_ms()
        given = {name: value for name, value in fields.items() if value is not None}
        given.setdefault("event_id", new_event_id())
        given["occurred_at"] = _moment(given.get("occurred_at", now_ms))
        event = _valid(from_fields(given), now_ms, self._void_ids, self._scales)
        value = self.encoder.event(event)
        return Delivery(event.event_id, self.send(event.key, value, now_ms))

    def send(
        self, key: bytes | None, value: bytes, timestamp_ms: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Any:
        """Send an event that is valid and encoded; the timestamp is the record's. Returns kafka-python's future.

        headers: of what was refused.

        Raises Refused for an event of more than 1 MiB, BufferFull, DeliveryFailed.
        """
        if len(value) > EVENT_BYTES_MAX:
            raise Refused(Reason.TOO_LARGE, f"{len(value)} bytes; an event has at most {EVENT_BYTES_MAX}")
        size = len(key or b"") + len(value) + EVENT_OVERHEAD_BYTES
        self._in_flight.add(size)
        try:
            future = self._kafka.send(
                self.topic,
                value,
                key,
                headers=list(headers),
                partition=lane_of(key or b"", self._partitions),
                timestamp_ms=timestamp_ms,
            )
        except BaseException as error:
            self._in_flight.remove(size)
            if isinstance(error, KafkaError):
                raise DeliveryFailed(1, error) from error
            raise
        future.add_callback(self._in_flight.remove, size)
        future.add_errback(self._in_flight.fail, size)
        return future

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Wait until Kafka has acknowledged every event. Raises DeliveryFailed if some failed or time is over."""
        self._in_flight.drain(timeout_seconds)

    def close(self, timeout_seconds: float | None = None) -> None:
        """`flush`, and end the connection whatever it says. Raises DeliveryFailed."""
        try:
            self.flush(timeout_seconds)
        finally:
            with suppress(KafkaError):  # it waits for what was given up, and says so; that was said above
                self._kafka.close(timeout=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exception_type: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _moment(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise Refused(Reason.WRONG_TYPE, "occurred_at has no time zone: use datetime.now(UTC)")
    return since_epoch(value)


def _valid(event: Touchpoint | Refusal, now_ms: int, void_ids: VoidIds, scales: Scales | None) -> Touchpoint:
    if isinstance(event, Refusal):
        raise Refused(event.reason, event.detail)
    refusal = check(event, now_ms, void_ids, scales)
    if refusal is not None:
        raise Refused(refusal.reason, refusal.detail)
    return canonical(event)
