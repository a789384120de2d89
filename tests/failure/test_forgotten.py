"""A person who asked to be forgotten is gone from the tables, and stays away when Kafka's log is replayed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.sinks.clickhouse.database import connect

pytestmark = [pytest.mark.stack, pytest.mark.long]

ANN, PHONE = "ann-4711", "phone-0815"


def tables_with(client: Client, word: str) -> list[str]:
    """The tables that hold a text, in any column."""
    tables = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    count = "SELECT countIf(position(toString(tuple(*)), {word:String}) > 0) FROM {table:Identifier}"
    return [name for (name,) in tables if client.query(count, {"word": word, "table": name}).result_rows[0][0]]


def events() -> list[dict[str, object]]:
    made: list[dict[str, object]] = [
        {"event_id": f"{who}-{number}", "occurred_at": 1_790_000_000_000 + number, "channel": "web",
         "touchpoint": "product", "action": "view", "nps": number % 11, **ids}
        for number in range(20)
        for who, ids in (("a", {"customer_id": ANN}), ("p", {"anonymous_id": PHONE}), ("b", {"customer_id": "bob"}))
    ]  # fmt: skip
    made.append(
        {"event_id": "who", "occurred_at": 1_790_000_000_500, "channel": "web", "touchpoint": "login",
         "action": "identify", "customer_id": ANN, "anonymous_id": PHONE}
    )  # fmt: skip
    return made


def test_no_table_holds_the_ids_and_a_replay_into_empty_tables_does_not_bring_them_back(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events()))
    with running_stack(tmp_path, workers=1) as stack:
        stack.command("publish", str(file))
        stack.command("wait", "--timeout", "300")
        client = connect(stack.addresses["clickhouse"])
        assert tables_with(client, ANN)
        before = stack.metrics("none")[()]
        receipt = json.loads(stack.command("forget", PHONE, "--anonymous", "--yes", "--json"))
        assert set(receipt["ids"]) == {ANN, PHONE}
        assert {row["where"]: row["rows"] for row in receipt["erased"]}["touchpoints"] == 41
        assert (tables_with(client, ANN), tables_with(client, PHONE)) == ([], [])
        after = stack.metrics("none")[()]
        assert {name: after[name] for name in ("touches", "nps", "nps_n")} == {
            name: before[name] for name in ("touches", "nps", "nps_n")
        }
        assert after["customers"] == 1
        with replayed(stack) as client:
            eventually(lambda: bool(client.query("SELECT 1 FROM erasures").result_rows))
            # What stood before the control record came back with it, for as long as the leader takes to look.
            eventually(lambda: not tables_with(client, ANN) and not tables_with(client, PHONE), 600)
            assert client.query("SELECT sum(touches) FROM stage_panes FINAL WHERE resolution_s = 10").result_rows == [
                (61,)
            ]


@contextmanager
def replayed(stack: RunningStack) -> Iterator[Client]:
    """The whole log again, into empty tables of another database."""
    url = urlsplit(stack.addresses["clickhouse"])._replace(path="/replayed").geturl()
    environment = stack.environment | {
        "TOUCHSTREAM_CLICKHOUSE_URL": url, "TOUCHSTREAM_GROUP": "replay", "TOUCHSTREAM_METRICS_PORT": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "touchstream.streams.cli"]
    subprocess.run([*command, "init"], env=environment, check=True, capture_output=True)
    worker = subprocess.Popen(
        [*command, "worker"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield connect(url)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(60)
