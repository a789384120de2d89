"""Setup of a child each time it is ready again after its death, retried until it succeeds."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Back-off in seconds, by the number of consecutive failures; the last value repeats."""


class AfterRestart:
    """Calls `work` in a thread of its own: it may need another child, which the supervisor starts again meanwhile."""

    def __init__(self, child: str, work: Callable[[], object]) -> None:
        self._child, self._work = child, work
        self._lock = threading.Lock()
        self._wanted = self._done = 0
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()

    def request(self) -> None:
        """Have it done from now on, and once more where it is being done already: the child has died meanwhile."""
        with self._lock:
            self._wanted += 1
            if self._thread is None:
                # A daemon: a call that hangs must not keep the process from ending.
                self._thread = threading.Thread(target=self._until_done, name=f"after {self._child}", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """No further try; one that is under way is not waited for."""
        self._cancelled.set()

    def _until_done(self) -> None:
        failures = 0
        while not self._cancelled.is_set():
            with self._lock:
                wanted = self._wanted
                if self._done == wanted:
                    self._thread = None
                    return
            try:
                self._work()
            except Exception as error:  # whatever it raises: without it, the child's restart is not complete
                failures += 1
                if failures == 1:
                    log.warning(
                        "setup after a restart failed, retrying until it succeeds", child=self._child, error=str(error)
                    )
                self._cancelled.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1])
                continue
            if failures:
                log.info("setup after a restart succeeded", child=self._child, failures=failures)
            self._done, failures = wanted, 0
