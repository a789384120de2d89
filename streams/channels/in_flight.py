"""Bounds the events in flight to Kafka: the bound that kafka-python 3 no longer has."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class DeliveryFailed(RuntimeError):  # noqa: N818  it says what happened
    """Kafka didn't take events that were sent. `failed` says how many; the message, why the first of them failed."""

    def __init__(self, failed: int, first: BaseException) -> None:
        super().__init__(f"{failed} event{'s were' if failed > 1 else ' was'} not delivered: {first}")
        self.failed = failed


class BufferFull(RuntimeError):  # noqa: N818
    """Kafka takes events more slowly than they come, or not at all; the event was not sent. Try again later."""


class InFlight:
    """Counts bytes and events between `send` and Kafka's acknowledgement. Thread-safe."""

    def __init__(self, bytes_max: int, max_block_seconds: float) -> None:
        self._bytes_max = bytes_max
        self._max_block_seconds = max_block_seconds
        self._changed = threading.Condition(threading.Lock())
        self._bytes = 0
        self._events = 0
        self._failed = 0
        self._waiting = 0
        self._first: BaseException | None = None

    def add(self, size: int) -> None:
        """One more of `size` bytes. Waits for room, an empty buffer has always some; raises BufferFull."""
        with self._changed:
            if not self._fits(size) and not self._wait_for(lambda: self._fits(size), self._max_block_seconds):
                raise BufferFull(
                    f"Kafka has left {self._events} events ({self._bytes} bytes) unacknowledged for"
                    f" {self._max_block_seconds:g} s; is it up? Publish this event again later"
                )
            self._bytes += size
            self._events += 1

    def _fits(self, size: int) -> bool:
        return self._bytes + size <= self._bytes_max or self._events == 0

    def remove(self, size: int, _record: Any = None) -> None:
        """One less: Kafka has it, or it was never sent."""
        with self._changed:
            self._remove(size)

    def fail(self, size: int, error: BaseException) -> None:
        """One less: Kafka didn't take it."""
        with self._changed:
            self._failed += 1
            self._first = self._first or error
            self._remove(size)

    def _remove(self, size: int) -> None:
        self._bytes -= size
        self._events -= 1
        if self._waiting:
            self._changed.notify_all()

    def _wait_for(self, reached: Callable[[], bool], timeout_seconds: float | None) -> bool:
        self._waiting += 1  # without waiters, most of the time, there is no notification, which is expensive
        try:
            return self._changed.wait_for(reached, timeout_seconds)
        finally:
            self._waiting -= 1

    def drain(self, timeout_seconds: float | None) -> None:
        """Wait until nothing is in flight. Raises DeliveryFailed if some failed since the last time, or on time-out."""
        with self._changed:
            in_time = self._wait_for(lambda: self._events == 0, timeout_seconds)
            failed, first = self._failed, self._first
            if in_time:
                self._failed, self._first = 0, None
            if not in_time:
                raise DeliveryFailed(failed + self._events, first or TimeoutError(f"no answer in {timeout_seconds} s"))
            if first is not None:
                raise DeliveryFailed(failed, first)
