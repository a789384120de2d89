"""Child processes of the local stack: started, waited for, started again when they die, stopped in order.

    supervisor = Supervisor(data.logs)
    supervisor.add(broker.child()).add(clickhouse.child()).add(worker)
    supervisor.start("broker", "clickhouse")
    supervisor.start("worker-1")
    supervisor.run_until(stop)  # a threading.Event
    supervisor.stop()

One thread does all of it, the one that calls: on Linux children die with the thread that started them (see leash.py).
"""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from touchstream.deploy.local.process import Child, ChildError, Process

TICK_SECONDS = 0.05


class Supervisor:
    """The children by name, in the order in which they were started. `logs` gets NAME.log of each."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, Process] = {}
        self._started: list[tuple[str, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add(self, child: Child) -> Self:
        """Make a child known; it isn't started yet. Raises ValueError if its name is taken."""
        if child.name in self._processes:
            raise ValueError(f"there is a child named {child.name!r} already")
        self._processes[child.name] = Process(child, self._logs)
        return self

    def start(self, *names: str) -> None:
        """Start these children together and return when all of them are ready. One that dies is started again.

        Raises ChildError, with the end of its log, if one dies STARTS_MAX times or isn't ready in its `ready_seconds`,
        OSError if none can be started; the children started so far go on running until `stop`.
        """
        self._started.append(names)
        starting = [self._processes[name] for name in names]
        for process in starting:
            process.start()
        while not all(process.ready for process in starting):
            self.tick()
            for process in starting:
                process.check_start()
            time.sleep(TICK_SECONDS)

    def run_until(self, stop: threading.Event) -> None:
        """Start again what dies or hangs, the later the more often it died, and bound the logs, until `stop` is set."""
        while not stop.wait(TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """One round of `run_until`, for a caller with a loop of its own: call it several times a second."""
        for process in self._running():
            process.tick()

    def pid(self, name: str) -> int | None:
        """The process id of a child now: another one after a restart, None between death and restart."""
        return self._processes[name].pid

    def is_ready(self, *names: str) -> bool:
        """Whether all of these run and are ready."""
        return all(self._processes[name].ready and self._processes[name].pid is not None for name in names)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after `grace_seconds`, for the last started first. Those of one `start` end together.

        When this returns or raises, no child is left. It may be called twice.
        """
        for process in self._processes.values():
            process.cancel()
        try:
            while self._started:
                group = [self._processes[name] for name in self._started[-1]]
                for process in group:
                    process.terminate()
                for process in group:
                    process.wait_or_kill()
                self._started.pop()
        finally:
            for process in self._running():
                process.kill()

    def _running(self) -> Iterable[Process]:
        return [self._processes[name] for group in self._started for name in group]


__all__ = ["Child", "ChildError", "Supervisor"]
