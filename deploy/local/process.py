"""One child process: what to run, and the running of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from touchstream.deploy.local.after_restart import AfterRestart

log = structlog.get_logger(__name__)

LOG_BYTES_MAX = 16 * 1024 * 1024
"""Largest size of NAME.log in bytes; one earlier file is kept, as NAME.log.1."""
RESTART_SECONDS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Back-off of restarts in seconds, by the number of consecutive deaths soon after a start; the last value repeats."""
SOON_SECONDS = 10.0
"""A child that lived this long has recovered: its next death is a first one again."""
STARTS_MAX = 3
"""Deaths of a child that was never ready, after which its start has failed."""
LOOK_SECONDS = 5.0
"""Interval of health checks of a child, in seconds."""
SILENT_LOOKS_MAX = 12
"""Consecutive health checks without an answer after which a child hangs: a minute."""
_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
_LOG_TAIL_BYTES = 2000


class ChildError(RuntimeError):
    """A child could not be started; the message holds the end of its log."""


@dataclass(frozen=True)
class Child:
    """A process to be run. `ready` is asked several times a second, must answer soon, and may not raise.

    `env` is added to the environment of this process. `restarted` is called each time when the child is ready again
    after a death, for what it forgot by dying (the local broker forgets its topics); in a thread of its own, with
    back-off until it doesn't raise. `well` is asked every few seconds once the child is ready: False says that the
    child wants to be replaced, None that it doesn't answer.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: float = 60.0
    grace_seconds: float = 10.0
    restarted: Callable[[], object] | None = None
    well: Callable[[], bool | None] | None = None


class Process:
    """A running child with its log file, from `start` to `kill`. Not for several threads."""

    def __init__(self, child: Child, logs: Path) -> None:
        self.child = child
        self.log_path = logs / f"{child.name}.log"
        self.ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._deaths_in_a_row = 0
        self._was_ready = False
        self._first_started_at: float | None = None
        self._look_at, self._silent_looks = 0.0, 0
        self._kill_at: float | None = None
        self._after_restart = AfterRestart(child.name, child.restarted) if child.restarted is not None else None

    @property
    def pid(self) -> int | None:
        """The process id, None while it doesn't run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; `ready` is False until `await_ready` or `tick` found it ready. Raises OSError."""
        self.ready, self._restart_at, self._kill_at, self._started_at = False, None, None, time.monotonic()
        self._first_started_at = self._first_started_at or self._started_at
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        leash = (sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()))
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 — the command is ours
                (*leash, *self.child.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self.child.env,
                # Ctrl-C goes to the terminal's whole foreground group; the children are to be ended in order, by us.
                process_group=0,
            )

    def await_ready(self) -> None:
        """Look once whether it is ready. Raises ChildError if it died, or if its time is over."""
        if self.ready:
            return
        if self.pid is None:
            raise ChildError(f"{self.child.name} {self._ending()} before it was ready; {self._log_tail()}")
        self.ready = self.child.ready()
        if not self.ready and self._seconds_running() > self.child.ready_seconds:
            raise ChildError(
                f"{self.child.name} runs, but isn't ready after {self.child.ready_seconds:g} s; {self._log_tail()}"
            )

    def check_start(self) -> None:
        """For a child that `tick` sees to: raises ChildError if its start failed STARTS_MAX times or takes too long."""
        if self._was_ready:
            return
        if self.pid is None and self._deaths_in_a_row >= STARTS_MAX:
            raise ChildError(
                f"{self.child.name} {self._ending()} before it was ready, as {STARTS_MAX - 1} times before;"
                f" {self._log_tail()}"
            )
        if self._first_started_at and time.monotonic() - self._first_started_at > self.child.ready_seconds:
            raise ChildError(
                f"{self.child.name} runs, but isn't ready after {self.child.ready_seconds:g} s; {self._log_tail()}"
            )

    def tick(self) -> None:
        """See to it: bound the log, notice that it is ready, hangs, or died, and start it again when that is due."""
        self._bound_log()
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._start_again()
        elif self.pid is None:
            self._plan_restart()
        elif self._kill_at is not None:
            if now >= self._kill_at:
                log.warning("child didn't end, killing it", child=self.child.name)
                self.kill()
        elif not self.ready:
            self._look_whether_ready()
        elif self.child.well is not None and now >= self._look_at:
            self._look_whether_well(self.child.well)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, seconds: float) -> int:
        """Its exit status, negative for a signal. Raises subprocess.TimeoutExpired; ValueError before a start."""
        if self._process is None:
            raise ValueError(f"{self.child.name} was not started")
        return self._process.wait(seconds)

    def wait_or_kill(self) -> None:
        """Wait for its end for up to `grace_seconds`, then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(self.child.grace_seconds)
        except subprocess.TimeoutExpired:
            log.warning("child didn't end, killing it", child=self.child.name, after_seconds=self.child.grace_seconds)
            self.kill()

    def kill(self) -> None:
        """End it now (SIGKILL), if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def cancel(self) -> None:
        """Do no more of what a restart needs."""
        if self._after_restart is not None:
            self._after_restart.cancel()

    def _start_again(self) -> None:
        try:
            self.start()
        except OSError as error:  # no room for another process or for its log: the next tick plans another try
            log.warning("child can't be started", child=self.child.name, error=str(error))

    def _look_whether_ready(self) -> None:
        if self.child.ready():
            again, self.ready, self._was_ready = self._was_ready, True, True
            self._look_at, self._silent_looks = time.monotonic() + LOOK_SECONDS, 0
            if again:
                log.info("child is ready again", child=self.child.name, pid=self.pid)
                if self._after_restart is not None:
                    self._after_restart.request()
        elif self._was_ready and self._seconds_running() > self.child.ready_seconds:
            log.error("child isn't ready, killing it", child=self.child.name, log=str(self.log_path))
            self.kill()

    def _look_whether_well(self, well: Callable[[], bool | None]) -> None:
        answer, now = well(), time.monotonic()
        self._look_at = now + LOOK_SECONDS
        self._silent_looks = self._silent_looks + 1 if answer is None else 0
        if answer is False or self._silent_looks >= SILENT_LOOKS_MAX:
            reason = "it reports that it is stuck" if answer is False else "it doesn't answer"
            log.error("child hangs, ending it", child=self.child.name, reason=reason, log=str(self.log_path))
            self.terminate()
            self._kill_at = now + self.child.grace_seconds

    def _plan_restart(self) -> None:
        soon = self._seconds_running() < SOON_SECONDS
        self._deaths_in_a_row = self._deaths_in_a_row + 1 if soon else 1
        wait = RESTART_SECONDS[min(self._deaths_in_a_row, len(RESTART_SECONDS)) - 1]
        self._restart_at = time.monotonic() + wait
        log.warning(
            "child died, starting it again",
            child=self.child.name,
            ending=self._ending(),
            restart_in_seconds=wait,
            log=str(self.log_path),
        )

    def _seconds_running(self) -> float:
        return time.monotonic() - self._started_at

    def _ending(self) -> str:
        status = self._process.returncode if self._process is not None else None
        if status is not None and status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"exited with status {status}"

    def _log_tail(self) -> str:
        with self.log_path.open("rb") as file:
            file.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
            tail = file.read().decode(errors="replace").strip()
        return f"the end of {self.log_path}:\n{tail}" if tail else f"it wrote nothing to {self.log_path}"

    def _bound_log(self) -> None:
        # The child holds the file open for appending: copied and cut, it goes on at the beginning.
        try:
            if self.log_path.stat().st_size <= LOG_BYTES_MAX:
                return
            before = self.log_path.with_suffix(".log.1")
            try:
                shutil.copyfile(self.log_path, before)
            except OSError:  # a full disk: the log is cut all the same, which makes room
                with suppress(OSError):
                    before.unlink(missing_ok=True)
            os.truncate(self.log_path, 0)
        except OSError:
            return  # there is no log yet, or none that can be cut: no reason to end


@contextmanager
def running(child: Child, logs: Path) -> Iterator[Process]:
    """A child started and ready in the block, and ended after it, without restarts: for tests and tools.

    Raises ChildError as `Process.await_ready` does.
    """
    process = Process(child, logs)
    try:
        process.start()
        while not process.ready:
            process.await_ready()
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()
        process.wait_or_kill()
