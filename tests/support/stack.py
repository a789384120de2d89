"""The whole stack as a user has it: `touchstream up` in a process, and the command line against it.

On Apache Kafka, where the tests run on it, and else on the broker that `up` starts.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.kafka.apache import ApacheKafka
from tests.kafka.choice import APACHE
from touchstream.deploy.local.process import Process, running
from touchstream.streams.cli.main import app

READY_SECONDS = 400
LOOK_SECONDS = 0.05


class RunningStack:
    """A stack that answers."""

    def __init__(self, ready_file: Path, process: "subprocess.Popen[bytes]", kafka: Process | None = None) -> None:
        """kafka: Apache Kafka where the tests run on it, and None with the broker that `up` starts."""
        self.ready_file, self.process, self.kafka = ready_file, process, kafka
        self.data = ready_file.with_name("data")

    @property
    def addresses(self) -> dict[str, Any]:
        addresses: dict[str, Any] = json.loads(self.ready_file.read_text())
        return addresses

    @property
    def settings(self) -> dict[str, str]:
        """What a command needs to find it, as environment variables."""
        addresses = self.addresses
        return {
            "TOUCHSTREAM_KAFKA_URL": addresses["kafka"],
            "TOUCHSTREAM_CLICKHOUSE_URL": addresses["clickhouse"],
            "TOUCHSTREAM_DATA_DIR": str(self.data),
        }

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | self.settings

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command of ours, running."""
        command = [sys.executable, "-m", "touchstream.streams.cli", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def command(self, *arguments: str) -> str:
        """What a command prints to standard output; it has to succeed. In this process: a new one is slow to start."""
        done = CliRunner().invoke(app, arguments, env=self.settings)
        assert done.exit_code == 0, f"touchstream {' '.join(arguments)}: {done.output}{done.exception!r}"
        return done.stdout

    def separate_command(self, *arguments: str) -> str:
        """The same in a process of its own: where a browser is driven, an event loop runs in this one."""
        process = self.start(*arguments)
        answer, errors = process.communicate(timeout=300)
        assert process.returncode == 0, f"touchstream {' '.join(arguments)}: {errors}{answer}"
        return answer

    def metrics(self, by: str, *bounds: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """Every group's metrics, by the values of the group's names."""
        names = [] if by == "none" else by.split(",")
        groups = json.loads(self.command("metrics", "--by", by, "--json", *bounds))
        return {tuple(group[name] for name in names): group for group in groups}

    def kill_a_worker(self, number: int) -> None:
        """SIGKILL one worker and wait until another process has taken its place."""
        before = self.addresses["worker_pids"]
        os.kill(before[number % len(before)], signal.SIGKILL)
        eventually(lambda: len(now := self.addresses["worker_pids"]) == len(before) and set(now) != set(before))


@contextmanager
def running_stack(directory: Path, workers: int = 2, demo: bool = False) -> Iterator[RunningStack]:
    """`touchstream up` in the block, ended by Ctrl-C after it. The same directory again is the same data.

    demo: with simulated customers.
    """
    ready_file = directory / "ready.json"
    arguments = ["up", "--data", str(directory / "data"), "--workers", str(workers), "--ready-file", str(ready_file)]
    arguments += ["--demo"] if demo else []
    with ExitStack() as around:
        kafka = None
        if APACHE:
            cluster = ApacheKafka.of(directory / "kafka")
            kafka = around.enter_context(running(cluster.child(), directory))
            arguments += ["--kafka", cluster.url]
        with (directory / "up.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "touchstream.streams.cli", *arguments], stdout=log, stderr=log
            )
        try:
            eventually(lambda: ready_file.exists() or process.poll() is not None, READY_SECONDS)
            assert process.poll() is None, (directory / "up.log").read_text()
            yield RunningStack(ready_file, process, kafka)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(180)
            finally:
                process.kill()  # with its children; it has ended, or this test has failed


def eventually(true: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        time.sleep(LOOK_SECONDS)
