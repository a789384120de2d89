"""SIGINT and SIGTERM as something to wait for.

    stop = Stop.on_signals()
    while not stop.wait(1.0):
        work()

Not `threading.Event`: a signal's handler runs in the main thread between any two of its bytecodes, also while that
thread holds the event's own lock in `wait`. `Event.set` then waits for the lock for ever, and the process with it.
A pipe has no lock: what was written before, while or after one looks is seen. (`queue.SimpleQueue`, which may be put
to from there, can miss a put when a time-out and a signal meet.)
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Self


class Stop:
    """Whether to stop: like a `threading.Event` that is never cleared, and that a signal's handler may set."""

    def __init__(self) -> None:
        self._asked = False
        self._reader, self._writer = Pipe(duplex=False)

    @classmethod
    def on_signals(cls) -> Self:
        """One that SIGINT and SIGTERM set, from now on. In the main thread, which signals belong to."""
        stop = cls()
        stop.set_on_signals()
        return stop

    def set_on_signals(self) -> None:
        """Let SIGINT and SIGTERM set it, from now on. In the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.set())

    def set(self) -> None:
        """Stop. From anywhere, at any moment."""
        if not self._asked:
            self._asked = True
            self._writer.send_bytes(b"stop")

    def is_set(self) -> bool:
        """Whether it was asked for."""
        return self._asked

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is asked for, or for that long (None: without end); whether it was asked for."""
        return self._reader.poll(seconds)


@contextmanager
def ctrl_c_asked() -> Iterator[Stop]:
    """One that Ctrl-C sets; pressed again, it is a KeyboardInterrupt.

    Such an interrupt within a client of Kafka may be lost: in a callback, Python prints and forgets it.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # which signals belong to
        yield stop
        return

    def asked(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
