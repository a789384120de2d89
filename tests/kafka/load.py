"""Events published at a steady pace by a thread, so that something can be killed meanwhile."""

import threading
import time
from itertools import count
from types import TracebackType
from typing import Self

from streams.channels import Producer

STAGES = (("discovery", "ads"), ("purchase", "web"), ("support", "call_centre"))
CUSTOMERS = 997
SENT_TWICE_EVERY = 20
_SLICE = 50  # events between two looks at the clock


class Load:
    """`events` touchpoints named `touchpoint`, and every twentieth of them a second time; runs in a `with` block.

    It goes on beyond `events` until `end` is called or the block is left: what is broken stays under load.
    """

    def __init__(self, kafka_url: str, touchpoint: str, events: int, per_second: int) -> None:
        self.events, self.published = events, 0
        self._kafka_url, self._touchpoint, self._per_second = kafka_url, touchpoint, per_second
        self._error: Exception | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="load", daemon=True)

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

    def _publish(self) -> None:
        try:
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
        except Exception as error:  # told by `reaches` and `end`
            self._error = error

    def _event(self, producer: Producer, number: int) -> None:
        stage, channel = STAGES[number % len(STAGES)]
        producer.publish(
            event_id=f"{self._touchpoint}-{number}",
            customer_id=f"customer-{number % CUSTOMERS}",
            channel=channel,
            stage=stage,
            touchpoint=self._touchpoint,
            nps=number % 11,
            revenue_minor=number if stage == "purchase" else None,
            currency="EUR" if stage == "purchase" else None,
        )
