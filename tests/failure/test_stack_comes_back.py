"""`touchstream up` comes back by itself."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.kafka.choice import about_the_local_broker
from tests.support.full_disk import filled, small_disk
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.client import connect_directly

pytestmark = [pytest.mark.stack, pytest.mark.long]

EVENTS = 20_000
BEGAN_MS = now_ms()


def events(path: Path, numbers: range) -> str:
    with path.open("w") as file:
        for number in numbers:
            event = {"event_id": f"e{number}", "occurred_at": BEGAN_MS - number, "customer_id": f"c{number % 500}"}
            file.write(json.dumps(event | {"channel": "web", "touchpoint": "page"}) + "\n")
    return str(path)


def server(stack: RunningStack, part_of_command: str) -> int:
    """The process id of a child of `up`."""
    up = stack.process.pid
    for pid in Path(f"/proc/{up}/task/{up}/children").read_text().split():
        if part_of_command in Path(f"/proc/{pid}/cmdline").read_text():
            return int(pid)
    raise AssertionError(f"no child runs {part_of_command}")


def measured(stack: RunningStack) -> int:
    stack.command("wait", "--timeout", "180")
    touches: int = stack.metrics("none")[()]["touches"]
    return touches


@about_the_local_broker
def test_broker_and_clickhouse_killed_together_during_traffic_come_back_and_nothing_counts_twice(
    tmp_path: Path,
) -> None:
    file = events(tmp_path / "events.ndjson", range(EVENTS))
    with running_stack(tmp_path, workers=2) as stack:
        publishing = stack.start("publish", file, "--rate", "4000")
        tables = connect_directly(stack.addresses["clickhouse"])
        eventually(lambda: int(str(tables.command("SELECT count() FROM touchpoints"))) > EVENTS // 20)
        assert publishing.poll() is None  # some are measured, and others are on their way to the log and to the tables
        for part in ("tansu", "touchstream.deploy.local.clickhouse.server"):
            os.kill(server(stack, part), signal.SIGKILL)
        publishing.communicate(timeout=180)
        # The local broker's log died with it: what was not measured comes again, as a channel would send it.
        stack.command("publish", file)
        assert measured(stack) == EVENTS
        assert stack.process.poll() is None
        # ClickHouse needs longer than the broker, whose topics are made anew with its help.
        said = (tmp_path / "up.log").read_text()
        assert said.count("setup after a restart failed") == 1
        assert said.count("setup after a restart succeeded") == 1


def test_a_full_disk_ends_nothing_and_the_counts_are_exact_once_there_is_room(tmp_path: Path) -> None:
    first, second = EVENTS // 4, EVENTS
    with small_disk(tmp_path / "data", "300m") as disk, running_stack(tmp_path, workers=2) as stack:
        stack.command("publish", events(tmp_path / "first.ndjson", range(first)))
        stack.command("wait")
        with filled(disk):
            stack.command("publish", events(tmp_path / "second.ndjson", range(first, second)))
            log = disk / "logs" / "worker-1.log"
            eventually(lambda: "ClickHouse did not take an insert" in log.read_text())
            stack.kill_a_worker(0)
        assert measured(stack) == EVENTS
        assert stack.process.poll() is None


HANGS = """
import os, pathlib, sys, time
if sys.orig_argv[-1] == "worker":
    from touchstream.streams.process import health, health_server
    from touchstream.streams.worker.store import WorkerTables
    told = pathlib.Path({told!r})
    hangs = lambda: told.exists() and told.read_text() == str(os.getpid())
    health.STUCK_SECONDS = 5.0
    # Sooner than it would, but not while its lanes are loaded on a busy machine.
    health.ProcessHealth.is_lost = property(lambda self: hangs() and self.state == "stuck")
    health_server._end_when_lost = lambda *_: None  # it only says so: the end is for whoever supervises it
    take = WorkerTables.take
    def hanging(*arguments):
        while hangs():
            time.sleep(1)
        return take(*arguments)
    WorkerTables.take = hanging
"""
"""`sitecustomize.py`, which every Python process runs: the measuring thread of a worker hangs once it is told to."""


def test_a_worker_that_says_it_is_stuck_is_replaced_and_the_counts_are_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, told = tmp_path / "hook", tmp_path / "told"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HANGS.format(told=str(told)))
    monkeypatch.setenv("PYTHONPATH", str(hook))
    with running_stack(tmp_path, workers=1) as stack:
        (stuck,) = stack.addresses["worker_pids"]
        told.write_text(str(stuck))
        stack.command("publish", events(tmp_path / "events.ndjson", range(EVENTS)))
        eventually(lambda: stack.addresses["worker_pids"] not in ([], [stuck]))
        assert "it reports that it is stuck" in (tmp_path / "up.log").read_text()
        assert measured(stack) == EVENTS
