"""`touchstream normalise`: a foreign topic becomes events, each of which counts once whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from typer.testing import CliRunner, Result

from tests.kafka.choice import about_apache_kafka
from tests.support.gateway_process import Log, create_topic
from tests.support.stack import eventually
from touchstream.deploy.local.ports import free_port
from touchstream.schemas.codec import fingerprint
from touchstream.schemas.times import now_ms
from touchstream.streams.broker.topics import TopicSpec, ensure_topics, log_identity
from touchstream.streams.cli.main import app
from touchstream.streams.measure.refused import ORIGIN, REFUSED, SENT_BY
from touchstream.streams.process.connection import KafkaConnection

PARTITIONS = 3
BEGAN = now_ms() - 3_600_000
ORDERS = """
format: 2
name: orders
source: shop
skip: [{when: {test: "true"}, why: it is a test}]
events:
  - name: order
    fields:
      occurred_at: at
      customer_id: who
      channel: {constant: shop}
      touchpoint: {constant: order}
      action: {constant: purchase}
      csat: stars
  - name: line
    each: lines[*]
    fields:
      occurred_at: [at, request.received_at]
      customer_id: who
      channel: {constant: shop}
      touchpoint: item
      attributes.key: request.key
"""
SCHEMA = {
    "type": "record", "name": "Order", "fields": [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "who", "type": "string"},
    ],
}  # fmt: skip

Message = tuple[int, bytes | None, dict[str, bytes]]
"""Partition, value and headers."""


@dataclass(frozen=True)
class Foreign:
    """A foreign topic, and a topic of events of its own."""

    kafka_url: str
    topic: str
    directory: Path

    @property
    def source(self) -> str:
        return f"{self.topic}.orders"

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection.from_url(self.kafka_url)

    @property
    def environment(self) -> dict[str, str]:
        return {"TOUCHSTREAM_KAFKA_URL": self.kafka_url, "TOUCHSTREAM_TOPIC": self.topic}

    @property
    def command(self) -> list[str]:
        return ["normalise", self.source, "--map", str(self.directory / "orders.yaml")]

    def produce(self, messages: Sequence[Message]) -> None:
        producer = KafkaProducer(**self.connection.client_options(), acks="all")
        for partition, value, headers in messages:
            producer.send(self.source, value, b"k", headers=list(headers.items()), partition=partition)
        producer.flush()
        producer.close()

    def once(self, *arguments: str, topic: str | None = None) -> Result:
        command = ["normalise", topic or self.source, *self.command[2:], "--once", "--json", *arguments]
        return CliRunner(env=self.environment).invoke(app, command)

    @contextmanager
    def started(self, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
        variables = os.environ | self.environment | {"TOUCHSTREAM_NORMALISE_PORT": "0"} | dict(environment or {})
        with (self.directory / "normalise.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "touchstream.streams.cli", *self.command],
                env=variables, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def log(self) -> str:
        return (self.directory / "normalise.log").read_text()

    def length(self) -> int:
        return sum(at.end_offset for at in log_identity(self.connection, self.topic).values())

    def committed(self) -> dict[int, int | None]:
        consumer = KafkaConsumer(group_id=f"normalise-{self.source}", **self.connection.client_options())
        try:
            return {one: consumer.committed(TopicPartition(self.source, one)) for one in range(PARTITIONS)}
        finally:
            consumer.close()

    def ends(self) -> dict[int, int]:
        return {one: at.end_offset for one, at in log_identity(self.connection, self.source).items()}


@pytest.fixture
def foreign(kafka_url: str, unique_name: str, tmp_path: Path) -> Foreign:
    found = Foreign(kafka_url, unique_name, tmp_path)
    create_topic(kafka_url, unique_name)
    ensure_topics(found.connection, [TopicSpec(found.source, PARTITIONS, 1)])
    (tmp_path / "orders.yaml").write_text(ORDERS)
    return found


def order(number: int, **fields: Any) -> dict[str, Any]:
    return {"at": BEGAN + number, "who": f"c{number % 50}"} | fields


def message(partition: int, document: Any, **headers: bytes) -> Message:
    return partition, document if isinstance(document, bytes | None) else json.dumps(document).encode(), headers


def identity(event: Mapping[str, Any]) -> tuple[str, str, str]:
    return event["source"], event["customer_id"], event["event_id"]


def avro(who: str) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), {"at": BEGAN, "who": who})
    return b"\xc3\x01" + fingerprint(json.dumps(SCHEMA)) + body.getvalue()


def test_a_record_becomes_its_events_or_a_dead_letter_that_names_it_and_reading_it_again_makes_the_same_ids(
    foreign: Foreign,
) -> None:
    (foreign.directory / "order.avsc").write_text(json.dumps(SCHEMA))
    foreign.produce(
        [
            message(0, order(1, stars=4, lines=["shoes", "socks"])),
            message(0, order(2, stars=9)),
            message(0, order(3, test=True)),
            message(1, b"\xff{no json"),
            message(1, avro("ann")),
            message(1, None),
            message(2, [order(4), order(4)]),
        ]
    )
    result = foreign.once("--schema", str(foreign.directory / "order.avsc"))
    assert result.exit_code == 1, result.output  # something was refused
    assert json.loads(result.stdout) == {
        "records": 7, "accepted": 6, "refused": {"out_of_scale": 1, "undecodable": 1}, "lost": 0,
        "skipped": {"it is a test": 1, "it has no value (a tombstone)": 1},
    }  # fmt: skip
    log = Log(foreign.kafka_url, foreign.topic)
    events = log.events()
    assert sorted((one["touchpoint"], one["customer_id"], one["csat"]) for one in events) == [
        ("order", "ann", None), ("order", "c1", 4), ("order", "c4", None), ("order", "c4", None),
        ("shoes", "c1", None), ("socks", "c1", None),
    ]  # fmt: skip
    first = next(one for one in events if one["csat"] == 4)
    assert (first["occurred_at"], first["sent_by"]) == (BEGAN + 1, f"topic/{foreign.source}")
    assert len({identity(one) for one in events}) == 6
    letters = [dict(one.headers) for one in log.records() if REFUSED in dict(one.headers)]
    assert sorted((one[ORIGIN].decode(), one[REFUSED]) for one in letters) == [
        (f"{foreign.source}/0/1", b"out_of_scale"), (f"{foreign.source}/1/0", b"undecodable"),
    ]  # fmt: skip
    assert all(one[SENT_BY] == f"topic/{foreign.source}".encode() for one in letters)
    assert {one.value for one in log.records() if dict(one.headers).get(REFUSED) == b"undecodable"} == {b"\xff{no json"}
    assert foreign.once("--schema", str(foreign.directory / "order.avsc")).exit_code == 0  # its group has read all
    assert len(log.events()) == 6
    assert foreign.once("--schema", str(foreign.directory / "order.avsc"), "--group", "again").exit_code == 1
    assert len(log.events()) == 12
    assert {identity(one) for one in log.events()} == {identity(one) for one in events}


@pytest.mark.long
def test_a_process_that_was_paused_and_one_that_is_killed_lose_nothing_and_count_nothing_twice(
    foreign: Foreign,
) -> None:
    """Both in the midst of a round: with events in Kafka that no commit says are there."""
    count = 4_000
    foreign.produce([message(number % PARTITIONS, order(number)) for number in range(count)])
    with foreign.started() as process:
        eventually(lambda: foreign.length() > 0)
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert foreign.length() < count
        assert foreign.once().exit_code == 0  # another takes over, from the last commit
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: "partitions moved" in foreign.log())
        assert foreign.committed() == foreign.ends()
        came_to = foreign.length()
        foreign.produce([message(number % PARTITIONS, order(number)) for number in range(count, 2 * count)])
        eventually(lambda: foreign.length() > came_to)
        process.kill()
        process.wait()
    assert foreign.length() < came_to + count
    assert foreign.once().exit_code == 0
    events = Log(foreign.kafka_url, foreign.topic).events()
    assert {one["occurred_at"] for one in events} == {BEGAN + number for number in range(2 * count)}
    assert len(events) > len({identity(one) for one in events}) == 2 * count


def test_a_process_waits_for_kafka_says_so_and_ends_within_ten_seconds(foreign: Foreign) -> None:
    port = free_port()
    nowhere = {"TOUCHSTREAM_KAFKA_URL": f"kafka://127.0.0.1:{free_port()}", "TOUCHSTREAM_NORMALISE_PORT": str(port)}
    with foreign.started(environment=nowhere) as process:
        eventually(lambda: state(port) == (503, "disconnected"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "Kafka does not answer" in foreign.log()
    with foreign.started(environment={"TOUCHSTREAM_NORMALISE_PORT": str(port)}) as process:
        foreign.produce([message(0, order(1))])
        eventually(lambda: foreign.length() == 1)
        eventually(lambda: state(port) == (200, "ready"))
        scraped = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert 'touchstream_normalised_events_total{outcome="accepted"} 1.0' in scraped
    assert 'touchstream_normalise_lag_records{partition="0"} 0.0' in scraped


def test_a_new_group_begins_where_it_is_told_to_and_goes_on_there(foreign: Foreign) -> None:
    foreign.produce([message(0, order(1))])
    assert json.loads(foreign.once("--from", "end").stdout)["records"] == 0
    foreign.produce([message(0, order(2))])
    assert json.loads(foreign.once("--from", "end").stdout)["records"] == 1
    assert {one["occurred_at"] - BEGAN for one in Log(foreign.kafka_url, foreign.topic).events()} == {2}


@about_apache_kafka
def test_a_new_group_may_begin_at_a_time(foreign: Foreign) -> None:
    foreign.produce([message(0, order(1)), message(1, order(1))])
    since = now_ms() + 1
    eventually(lambda: now_ms() > since)
    foreign.produce([message(1, order(2))])
    assert json.loads(foreign.once("--from", str(since)).stdout)["records"] == 1


@about_apache_kafka
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(foreign: Foreign) -> None:
    foreign.produce([message(0, order(number)) for number in range(3)])
    assert json.loads(foreign.once().stdout)["records"] == 3
    admin = KafkaAdminClient(**foreign.connection.client_options())
    admin.delete_topics([foreign.source])
    eventually(lambda: foreign.source not in admin.list_topics())
    admin.close()
    ensure_topics(foreign.connection, [TopicSpec(foreign.source, PARTITIONS, 1)])
    foreign.produce([message(0, order(number)) for number in range(10, 15)])  # as many and more
    assert json.loads(foreign.once().stdout)["records"] == 5
    assert len({identity(one) for one in Log(foreign.kafka_url, foreign.topic).events()}) == 8


def test_a_topic_that_can_not_be_read_is_one_line_that_says_what_to_do(foreign: Foreign) -> None:
    missing = foreign.once(topic="no-such-topic")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "no topic no-such-topic" in missing.stderr
    itself = foreign.once(topic=foreign.topic)
    assert itself.exit_code == 2 and "name the foreign one" in itself.stderr
    assert foreign.once("--format", "avro").exit_code == 2
    assert foreign.once("--from", "yesterday").exit_code == 2


def state(port: int) -> tuple[int, str] | None:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
    except httpx.TransportError:
        return None
    return answer.status_code, answer.json()["state"]
