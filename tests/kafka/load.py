"""Events published at a steady pace by a thread, so that something can be killed meanwhile."""

import asyncio
import threading
import time
from itertools import count
from types import TracebackType
from typing import Any, Self

from touchstream.schemas import times
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.channels import Producer
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.process.connection import KafkaConnection

STAGES = (("discovery", "ads"), ("purchase", "web"), ("support", "call_centre"))
CUSTOMERS = 997
SENT_TWICE_EVERY = 20
_SLICE = 50  # events between two looks at the clock
_BULK_SECONDS = 0.05


class Load:
    """`events` touchpoints named `touchpoint`, and every twentieth of them a second time; runs in a `with` block.

    It goes on beyond `events` until `end` is called or the block is left: what is broken stays under load.
    """

    def __init__(self, kafka_url: str, touchpoint: str, events: int, per_second: int) -> None:
        self.events, self.published = events, 0
        self._kafka_url, self._touchpoint, self._per_second = kafka_url, touchpoint, per_second
        self._error: Exception | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    def reaches(self, percent: int) -> bool:
        """Whether so much is published. Raises what kept it from publishing."""
        if self._error is not None:
            raise self._error
        return self.published * 100 >= self.events * percent

    def end(self) -> None:
        """Until Kafka has acknowledged every event. Raises what kept it from publishing."""
        self._enough.set()
        self._thread.join()
        self.reaches(100)

    def _run(self) -> None:
        try:
            self._publish()
        except Exception as error:  # told by `reaches` and `end`
            self._error = error

    def _publish(self) -> None:
        with Producer(self._kafka_url) as producer:
            started = time.monotonic()
            for number in count():
                if number >= self.events and self._enough.is_set():
                    break
                self._event(producer, number)
                if number % SENT_TWICE_EVERY == 0:
                    self._event(producer, number)
                self.published = number + 1
                if number % _SLICE == 0:
                    time.sleep(max(0.0, started + number / self._per_second - time.monotonic()))

    def _event(self, producer: Producer, number: int) -> None:
        producer.publish(**self._fields(number))

    def _fields(self, number: int) -> dict[str, Any]:
        stage, channel = STAGES[number % len(STAGES)]
        return {
            "event_id": f"{self._touchpoint}-{number}",
            "customer_id": f"customer-{number % CUSTOMERS}",
            "channel": channel,
            "stage": stage,
            "touchpoint": self._touchpoint,
            "nps": number % 11,
            "revenue_minor": number if stage == "purchase" else None,
            "currency": "EUR" if stage == "purchase" else None,
        }


class BulkLoad(Load):
    """The same events in batches built here, with less of the processor: for a Kafka that stays."""

    def _publish(self) -> None:
        asyncio.run(self._publish_batches())

    async def _publish_batches(self) -> None:
        encoder, started = Encoder(), time.monotonic()
        async with LaneBatches.to(BulkDestination(KafkaConnection.from_url(self._kafka_url))) as batches:
            while not (self.published >= self.events and self._enough.is_set()):
                due = int((time.monotonic() - started) * self._per_second)
                # Where the machine lags, what is sent twice still comes soon after the first: ids are forgotten.
                due = min(due, self.published + self._per_second)
                now_ms = times.now_ms()
                made = [Touchpoint(occurred_at=now_ms, **self._fields(number)) for number in range(self.published, due)]
                twice = [made[at] for at in range(-self.published % SENT_TWICE_EVERY, len(made), SENT_TWICE_EVERY)]
                events = made + twice
                await batches.add([event.key for event in events], [encoder.event(event) for event in events], now_ms)
                await batches.send_begun()
                self.published = max(due, self.published)
                await asyncio.sleep(_BULK_SECONDS)
            await batches.flush()
