"""`touchstream tail`: what just arrived, what became of it, and what was refused where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from tests.support.clickhouse_rows import table, touchpoint
from tests.support.databases import migrated_database
from tests.support.gateway_process import LANES, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.cli.main import app
from touchstream.streams.measure.controls import HEARTBEAT
from touchstream.streams.measure.records import CONTROL_HEADER
from touchstream.streams.process.connection import KafkaConnection

pytestmark = pytest.mark.any_kafka

SHARED = {"occurred_at": now_ms(), "touchpoint": "t"}


@dataclass(frozen=True)
class Tailed:
    """A topic of its own, with a gateway before it."""

    kafka_url: str
    topic: str
    gateway: RunningGateway

    @property
    def environment(self) -> dict[str, str]:
        return {"TOUCHSTREAM_KAFKA_URL": self.kafka_url, "TOUCHSTREAM_TOPIC": self.topic}

    def tail(self, *arguments: str) -> Result:
        result = CliRunner(env=self.environment).invoke(app, ["tail", "--no-follow", *arguments])
        assert result.exit_code == 0, result.output
        return result

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.tail("--json", *arguments).stdout.splitlines()]

    def send(self, *events: dict[str, Any]) -> None:
        assert self.gateway.post([SHARED | event for event in events]).status_code == 202

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """A tail that follows, in a process of its own."""
        command = [sys.executable, "-m", "touchstream.streams.cli", "tail", "--json", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=os.environ | self.environment, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def tailed(kafka_url: str, unique_name: str, tmp_path: Path) -> Iterator[Tailed]:
    create_topic(kafka_url, unique_name)
    with running_gateway(tmp_path, kafka_url, unique_name) as gateway:
        eventually(gateway.ready)
        yield Tailed(kafka_url, unique_name, gateway)


def event(number: int, channel: str = "web", **fields: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "customer_id": f"c{number}", "channel": channel} | fields


def produce(tailed: Tailed, records: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]) -> None:
    """Past every door: as any program may."""
    producer = KafkaProducer(**KafkaConnection.from_url(tailed.kafka_url).client_options(), acks="all")
    for key, value, headers in records:
        producer.send(tailed.topic, value, key, headers=headers, partition=lane_of(key, LANES)).get(30)
    producer.close()


def test_accepted_refused_and_unreadable_records_are_shown_and_those_that_steer_lanes_are_not(tailed: Tailed) -> None:
    tailed.send(event(1, nps=9, attributes={"a": "b"}), event(2, nps=11))
    unusable = json.dumps(SHARED | event(3, ces=8)).encode()
    produce(
        tailed,
        [(b"c3", unusable, []), (b"x", b"hello\x1b[2J", []), (b"x", b"", [(CONTROL_HEADER, HEARTBEAT.encode())])],
    )
    found = {row.get("event", {}).get("event_id", "unreadable"): row for row in tailed.rows()}
    assert set(found) == {"e1", "e2", "e3", "unreadable"}
    assert (found["e1"]["event"]["nps"], found["e1"]["event"]["attributes"]) == (9, {"a": "b"})
    assert "refused" not in found["e1"]
    assert (found["e2"]["refused"], found["e2"]["detail"]) == ("out_of_scale", "nps is 11; the scale is 0 to 10")
    assert (found["e3"]["refused"], found["e3"]["event"]["ces"]) == ("out_of_scale", 8)
    assert (found["unreadable"]["refused"], found["unreadable"]["value"]) == ("undecodable", "hello\x1b[2J")
    shown = tailed.tail().stdout
    assert "out_of_scale: nps is 11; the scale is 0 to 10" in shown
    assert "\x1b" not in shown


def test_the_newest_are_shown_of_all_lanes_the_oldest_of_them_first(tailed: Tailed) -> None:
    for number in range(12):
        tailed.send(event(number))
    assert [row["event"]["event_id"] for row in tailed.rows("--last", "5")] == [f"e{n}" for n in range(7, 12)]
    assert tailed.rows("--last", "0") == []
    assert len({row["partition"] for row in tailed.rows()}) > 1


def test_an_event_of_a_channel_is_found_behind_many_of_others(tailed: Tailed) -> None:
    tailed.send(event(1, "app"))
    tailed.send(*(event(number) for number in range(2, 300)))
    assert [row["event"]["event_id"] for row in tailed.rows("--channel", "app", "--last", "3")] == ["e1"]
    assert tailed.rows("--channel", "store") == []


def test_an_event_is_shown_when_it_arrives_until_ctrl_c(tailed: Tailed) -> None:
    tailed.send(event(1))
    process = tailed.started("--channel", "web")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"]["event_id"] == "e1"
    tailed.send(event(2, "app"), event(3))
    assert json.loads(process.stdout.readline())["event"]["event_id"] == "e3"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (0, "", "")


def test_a_pipe_that_closes_ends_it_in_silence(tailed: Tailed) -> None:
    tailed.send(event(1))
    process = tailed.started()
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    while process.poll() is None:
        tailed.send(event(2))
    assert (process.returncode, process.stderr.read()) == (0, "")


def test_for_some_seconds_it_goes_on_and_ends_by_itself(tailed: Tailed) -> None:
    tailed.send(event(1))
    result = CliRunner(env=tailed.environment).invoke(app, ["tail", "--for", "0.3", "--json"])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)


def test_a_topic_that_is_missing_is_one_line_that_says_what_to_do(kafka_url: str, unique_name: str) -> None:
    environment = {"TOUCHSTREAM_KAFKA_URL": kafka_url, "TOUCHSTREAM_TOPIC": unique_name}
    result = CliRunner(env=environment).invoke(app, ["tail"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert unique_name in result.stderr


def test_each_channels_newest_event_that_counted_is_shown(clickhouse_url: str) -> None:
    rows = [
        touchpoint(1, channel="web", event_id="w1"),
        touchpoint(2, channel="app", event_id="a1"),
        touchpoint(3, channel="web", event_id="w2", touchpoint="basket"),
    ]
    with migrated_database(clickhouse_url) as client:
        client.insert_arrow("touchpoints", table("touchpoints", rows))
        environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
        result = CliRunner(env=environment).invoke(app, ["tail", "--channels", "--json"])
    found = {row["channel"]: row for row in json.loads(result.stdout)}
    assert {name: (row["event_id"], row["touchpoint"], row["events"]) for name, row in found.items()} == {
        "web": ("w2", "basket", 2), "app": ("a1", rows[1]["touchpoint"], 1),
    }  # fmt: skip
