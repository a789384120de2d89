"""A replay of dead letters that is interrupted and run again, with a horizon that forgets event ids in between."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_front import Answer, front_of
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.sinks.clickhouse.database import connect

pytestmark = [pytest.mark.stack, pytest.mark.long]

EVENTS = 1_500
DAY_MS = 86_400_000
PASSED_ON, FAILED = Answer(200, taken=True), Answer(500, 241)


def in_force(stack: RunningStack, **settings: str) -> None:
    """Switch the definitions through the log."""
    environment = stack.environment | {f"TOUCHSTREAM_{name.upper()}": value for name, value in settings.items()}
    subprocess.run(
        [sys.executable, "-m", "touchstream.streams.cli", "init"], env=environment, check=True, capture_output=True
    )


def replayed(stack: RunningStack) -> dict[str, int]:
    said = json.loads(stack.command("dead-letters", "replay", "--json"))
    return {"published": said["published"], **said["verdicts"]}


def sent_and_not_noted(stack: RunningStack) -> None:
    """ClickHouse goes away between a batch's acknowledgement by Kafka and the note of it."""
    with front_of(stack.addresses["clickhouse"]) as front:
        front.answers.extend([PASSED_ON, FAILED])
        environment = stack.environment | {"TOUCHSTREAM_CLICKHOUSE_URL": front.url}
        command = [sys.executable, "-m", "touchstream.streams.cli", "dead-letters", "replay"]
        assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 1
        assert front.inserts == 2


def killed(stack: RunningStack, client: Client) -> None:
    before = begun(client)
    process = stack.start("dead-letters", "replay", "--rate", "400")
    eventually(lambda: begun(client) > before + 200)
    process.kill()
    process.communicate()
    assert begun(client) < EVENTS, "the kill came too late"


def begun(client: Client) -> int:
    return int(client.query("SELECT count() FROM dead_letter_replays FINAL").result_rows[0][0])


def events() -> str:
    last_month = int(time.time() * 1000) - 30 * DAY_MS
    return "".join(
        json.dumps(
            {"event_id": f"e{n}", "occurred_at": last_month + n * 1_000, "customer_id": f"c{n % 50}",
             "channel": "web", "touchpoint": "product", "nps": n % 11}
        ) + "\n"
        for n in range(EVENTS)
    )  # fmt: skip


def test_interrupted_and_run_again_each_event_counts_once_past_the_duplicate_horizon_too(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(events())
    with running_stack(tmp_path, workers=1) as stack:
        in_force(stack, pane_retention_days="7", duplicate_horizon_seconds="1")
        stack.command("publish", str(file))
        stack.command("wait", "--timeout", "300")
        assert stack.metrics("none")[()]["touches"] == 0
        in_force(stack, pane_retention_days="0", duplicate_horizon_seconds="1")
        stack.command("wait", "--timeout", "300")
        client = connect(stack.addresses["clickhouse"])
        sent_and_not_noted(stack)
        killed(stack, client)
        killed(stack, client)
        assert replayed(stack)["accepted"] > 0
        assert replayed(stack) == {"published": 0}
        stack.command("wait", "--timeout", "300")
        found = stack.metrics("none")[()]
        assert (found["touches"], found["nps_n"], found["customers"]) == (EVENTS, EVENTS, 50)
        compared = json.loads(stack.command("reconcile", "--json"))
        assert (compared["differing"], compared["panes"] > 100) == (0, True)
