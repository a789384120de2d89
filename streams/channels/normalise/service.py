"""`touchstream normalise`: reads, maps, publishes and commits, until it is stopped or the topic's end is reached.

A commit follows Kafka's acknowledgement of all events of the records before it. Whatever fails, all is begun anew from
the last commit, after a pause that grows while it fails.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from kafka.errors import KafkaError

from touchstream.schemas.registry import HttpSchemaRegistry, RegistryUnavailable, SchemaRefused
from touchstream.schemas.times import now_ms
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_mapping import MessageMapping
from touchstream.streams.channels.in_flight import BufferFull, DeliveryFailed
from touchstream.streams.channels.normalise.decoding import Decoder, MessageFormat
from touchstream.streams.channels.normalise.intake import RecordIntake
from touchstream.streams.channels.normalise.source import ForeignTopic, StartOffset, foreign_topic
from touchstream.streams.channels.producer import Producer
from touchstream.streams.process import metrics
from touchstream.streams.process.health import ProcessHealth
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.signals import Stop

log = structlog.get_logger(__name__)

BUFFER_BYTES_MAX: Final = 16 * 2**20
"""Events on their way; as much again may wait in what was fetched."""
DELIVERY_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MIN: Final = 1.0
PAUSE_SECONDS_MAX: Final = 30.0
REPORT_SECONDS: Final = 30.0
AWAY: Final = (KafkaError, TopicError, DeliveryFailed, BufferFull, RegistryUnavailable, OSError)
"""What passes, or what an operator mends while this waits."""


class NormaliseError(ValueError):
    """What was asked for can't be done; the message is one line."""


@dataclass(frozen=True)
class NormaliseOptions:
    """What is read and how. schema: the text of the schema of values without a header.

    once: end where the topic ends now, instead of going on.
    """

    topic: str
    mapping: MessageMapping
    group: str
    start: StartOffset
    message_format: MessageFormat = MessageFormat.AUTO
    schema: str | None = None
    once: bool = False


@dataclass
class NormaliseSummary:
    """What became of the records that were read and committed."""

    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    @property
    def accepted(self) -> int:
        """Events that Kafka has."""
        return self.outcomes["accepted"]

    @property
    def refused(self) -> dict[str, int]:
        """Events that are dead letters, by reason."""
        return {reason: count for reason, count in self.outcomes.items() if reason != "accepted" and count}


class Normaliser:
    """One process of `touchstream normalise`. health: as /readyz answers, from any thread."""

    def __init__(self, settings: Settings, options: NormaliseOptions, stop: Stop) -> None:
        if options.topic == settings.topic:
            raise NormaliseError(f"{options.topic} is the topic of events itself: name the foreign one")
        self.summary = NormaliseSummary()
        self._settings, self._options, self._stop = settings, options, stop
        registry = HttpSchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
        self._decoder = Decoder(options.message_format, registry, options.schema)
        self._converter = MessageConverter(options.mapping)
        self._health = ProcessHealth("disconnected", "not connected yet")
        self._lag: Mapping[int, int] = {}
        self._ends: dict[int, int] | None = None
        self._complete = False
        self._reported_at = time.monotonic()
        metrics.NORMALISE_LAG.set_function(lambda: self._lag)

    def health(self) -> ProcessHealth:
        """Whether it reads and publishes."""
        return self._health

    def run(self) -> NormaliseSummary:
        """Until it is stopped, or all is read. Raises TopicError where Kafka can't be reached and it is to end."""
        pause_seconds = PAUSE_SECONDS_MIN
        while not self._stop.is_set():
            done_before = self.summary.records
            try:
                self._session()
                break
            except AWAY as error:
                if self._options.once and self._ends is None:
                    raise TopicError(_said_of(error)) from error
                self._note_failure(error)
            except SchemaRefused as error:
                raise NormaliseError(str(error)) from None
            if self.summary.records > done_before:
                pause_seconds = PAUSE_SECONDS_MIN
            self._stop.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)
        self._report("ended")
        return self.summary

    @property
    def is_complete(self) -> bool:
        """Whether all was read that there was when it began."""
        return self._complete

    def _session(self) -> None:
        """Read with one connection until the end, or until it is stopped."""
        options, connection = self._options, self._settings.kafka_connection()
        with ExitStack() as opened:
            producer = opened.enter_context(self._producer())
            intake = RecordIntake(
                options.topic,
                self._converter,
                self._decoder,
                producer.encoder,
                VoidIds.of(self._settings.void_words),
                self._settings.scales(),
            )
            reading = opened.enter_context(
                foreign_topic(connection, options.topic, options.group, options.start, self._note_lost)
            )
            if options.once and self._ends is None:
                self._ends = {one: at.end_offset for one, at in log_identity(connection, options.topic).items()}
            log.info("reading", topic=options.topic, group=options.group)
            self._complete = self._ends is not None and reading.has_reached(self._ends)
            if not self._complete:
                reading.join()
            while not self._stop.is_set() and not self._complete:
                self._round(reading, intake, producer)
                self._complete = self._ends is not None and reading.is_begun and reading.has_reached(self._ends)

    def _round(self, reading: ForeignTopic, intake: RecordIntake, producer: Producer) -> None:
        done: dict[int, int] = {}
        found = NormaliseSummary()
        for record in reading.poll():
            if self._stop.is_set():
                break
            now = now_ms()
            normalised = intake.normalised(record, now)
            for one in normalised.records:
                producer.send(one.key, one.value, now, one.headers)
            done[record.partition] = record.offset + 1
            found.records += 1
            found.outcomes += normalised.outcomes
            found.skipped += normalised.skipped
        producer.flush(DELIVERY_SECONDS)
        is_committed = reading.commit(done)
        # Else they are read again, by whoever has their partitions now, and counted then.
        self._note_round(found if is_committed else NormaliseSummary(), reading.lag())

    @contextmanager
    def _producer(self) -> Iterator[Producer]:
        producer = Producer.from_settings(
            self._settings,
            buffer_bytes_max=BUFFER_BYTES_MAX,
            max_block_seconds=DELIVERY_SECONDS,
            delivery_seconds=DELIVERY_SECONDS,
        )
        try:
            yield producer
        finally:
            with suppress(DeliveryFailed):  # what was not acknowledged was not committed: it is read again
                producer.close(CLOSE_SECONDS)

    def _note_round(self, found: NormaliseSummary, lag: Mapping[int, int]) -> None:
        self.summary.records += found.records
        self.summary.outcomes += found.outcomes
        self.summary.skipped += found.skipped
        for outcome, count in found.outcomes.items():
            metrics.NORMALISED.labels(outcome).inc(count)
        for why, count in found.skipped.items():
            metrics.NORMALISE_SKIPPED.labels(why).inc(count)
        self._lag = lag
        self._health = ProcessHealth("ready", numbers={"records_behind": sum(lag.values())})
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._reported_at = time.monotonic()
            self._report("progress")

    def _report(self, event: str) -> None:
        log.info(
            event,
            records=self.summary.records,
            events=self.summary.accepted,
            refused=sum(self.summary.refused.values()),
            skipped=self.summary.skipped.total(),
            records_behind=sum(self._lag.values()),
        )

    def _note_failure(self, error: Exception) -> None:
        said = _said_of(error)
        log.warning("begins anew from the last commit", error=said)
        metrics.NORMALISE_FAILURES.inc()
        self._health = ProcessHealth("disconnected", said)

    def _note_lost(self, offsets: int) -> None:
        self.summary.lost += offsets
        metrics.NORMALISE_LOST.inc(offsets)


def _said_of(error: Exception) -> str:
    return str(error) or type(error).__name__
