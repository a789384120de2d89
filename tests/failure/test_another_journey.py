"""journey.yaml is changed while events arrive: a replay that is killed, run again, and followed by the workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_rows import NOON_MS
from tests.support.measuring import NEW, OLD, journey, measure, rows
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.sinks.clickhouse.client import connect_directly, database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.upkeep.editions import editions
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import prepare

pytestmark = [pytest.mark.stack, pytest.mark.long]

EVENTS = 9_000
JOURNEY_FILE = "TOUCHSTREAM_JOURNEY_FILE"


def events() -> str:
    return "".join(
        json.dumps(
            {"event_id": f"e{n}", "occurred_at": NOON_MS + n * 500, "customer_id": f"c{n % 500}", "channel": "web",
             "touchpoint": ("product", "cart", "checkout")[n % 3], "nps": n % 11, "revenue_minor": n, "currency": "EUR"}
        ) + "\n"
        for n in range(EVENTS)
    )  # fmt: skip


def replay(stack: RunningStack, file: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "touchstream.streams.cli", "definitions", "replay"]
    environment = stack.environment | {JOURNEY_FILE: str(file)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def counted(client: Client, database: str) -> int:
    text = "SELECT uniqExact(partition, log_offset) FROM {database:Identifier}.touchpoints"
    return int(client.query(text, {"database": database}).result_rows[0][0])


def filled(client: Client) -> int:
    """How many raw events the new edition holds, if there is one."""
    known = editions(client)
    return counted(client, known[0].database) if known else 0


def fresh(stack: RunningStack, file: Path) -> Client:
    """Tables that had this journey from the beginning, of the same log."""
    url = database_url(stack.addresses["clickhouse"], "fresh")
    data = Path(stack.environment["TOUCHSTREAM_DATA_DIR"])
    settings = Settings(kafka_url=stack.addresses["kafka"], clickhouse_url=url, journey_file=file, data_dir=data)
    assert list(prepare(settings))
    measure(settings)
    return connect(url)


def test_another_journey_under_load_ends_as_if_it_had_been_there_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, file = tmp_path / "old.yaml", tmp_path / "new.yaml", tmp_path / "events.ndjson"
    old.write_text(journey(OLD))
    new.write_text(journey(NEW))
    file.write_text(events())
    monkeypatch.setenv(JOURNEY_FILE, str(old))
    with running_stack(tmp_path, workers=2) as stack:
        first = connect_directly(stack.addresses["clickhouse"])
        (before,) = json.loads(stack.command("definitions", "list", "--json"))
        workers = {*stack.addresses["worker_pids"]}
        publishing = stack.start("publish", str(file), "--rate", "400")
        eventually(lambda: counted(first, str(first.database)) > EVENTS // 4)
        killed = replay(stack, new)
        eventually(lambda: filled(first) > 0)
        os.kill(killed.pid, 9)
        killed.communicate()
        again = replay(stack, new)
        said, _ = again.communicate(timeout=300)
        assert again.returncode == 0, said
        eventually(lambda: len(now := {*stack.addresses["worker_pids"]}) == 2 and not now & workers)
        _, errors = publishing.communicate(timeout=300)
        assert publishing.returncode == 0, errors
        stack.command("wait", "--timeout", "300")
        edition, whole = connect(stack.addresses["clickhouse"]), fresh(stack, new)
        assert edition.database == editions(first)[0].database
        assert counted(edition, str(edition.database)) == EVENTS
        for table in ("touchpoints", "stage_panes", "journey_touches", "dead_letters"):
            assert rows(edition, table) == rows(whole, table), table
        asked = json.loads(stack.command("metrics", "--definitions", before["version"], "--json"))
        assert {row["stage"] for row in asked} == {"discover", "buy", "undeclared"}
        compared = json.loads(stack.command("reconcile", "--json"))
        assert (compared["differing"], compared["panes"] > 100) == (0, True)
