"""The end of a process that was to end and doesn't: threads may hang in a call, an event loop may be blocked.

Whoever supervises a process starts it again once it has ended, and only then: a worker that hangs between failing and
ending holds its partitions until an operator ends it.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Final

END_SECONDS: Final = 6.0
"""Seconds to end after being asked to. A last flush may take three (`streams.app`); supervisors kill after some ten."""
FORCED_EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h: it ended, but not by itself."""


class LastResort:
    """A thread that ends the process some seconds after `arm`, whatever all the others do.

    It waits for a byte in a pipe: a signal's handler, which may interrupt anything, can write one, and take no lock.
    """

    def __init__(self, seconds: float = END_SECONDS) -> None:
        self._seconds = seconds
        self._reader, self._writer = os.pipe()
        threading.Thread(target=self._wait, name="last resort", daemon=True).start()

    def arm(self) -> None:
        """Give the process this many seconds to end, from now on. Idempotent, and callable from any thread."""
        os.write(self._writer, b"!")

    def arm_on_signals(self) -> None:
        """Arm on SIGINT and SIGTERM, beside what is done on them now. In the main thread.

        An event loop's own handlers run in the loop, which may be blocked; these run between any two bytecodes. The
        loop hears of the signal all the same, by its wake-up descriptor.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)

            def handler(number: int, frame: FrameType | None, before: object = before) -> None:
                self.arm()
                if callable(before):
                    before(number, frame)

            signal.signal(number, handler)

    def _wait(self) -> None:
        os.read(self._reader, 1)
        time.sleep(self._seconds)
        # Where it hangs, without what stands in its variables.
        faulthandler.dump_traceback(sys.__stderr__ or 2)
        os._exit(FORCED_EXIT)
