"""`touchstream up` comes back by itself."""

import json
import time
from pathlib import Path

import pytest

from tests.full_disk import filled, small_disk
from tests.stack import RunningStack, eventually, running_stack

pytestmark = pytest.mark.stack

EVENTS = 20_000
BEGAN_MS = time.time_ns() // 1_000_000


def events(path: Path, numbers: range) -> str:
    with path.open("w") as file:
        for number in numbers:
            event = {"event_id": f"e{number}", "occurred_at": BEGAN_MS - number, "customer_id": f"c{number % 500}"}
            file.write(json.dumps(event | {"channel": "web", "touchpoint": "page"}) + "\n")
    return str(path)


def measured(stack: RunningStack) -> int:
    stack.command("wait", "--timeout", "180")
    touches: int = stack.metrics("none")[()]["touches"]
    return touches


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
