"""The gateway as a process, and what it put into Kafka."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer, TopicPartition

from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, Process, running
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.measure.refused import REFUSED
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

PATH = "/v1/touchpoints"
LANES = 4


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that answers."""

    url: str
    client: httpx.Client
    process: Process

    def post(self, content: Any, **headers: str) -> httpx.Response:
        """`content` is JSON unless it is bytes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(content, bytes):
            return self.client.post(PATH, content=content, headers=named)
        return self.client.post(PATH, json=content, headers=named)

    def ready(self) -> bool:
        return self.client.get("/readyz").status_code == 200

    def log(self) -> str:
        return self.process.log_path.read_text()


@contextmanager
def running_gateway(
    directory: Path, kafka_url: str, topic: str, settings: Mapping[str, str] | None = None
) -> Iterator[RunningGateway]:
    """`touchstream gateway` on a free port, answering, whether it has found Kafka or not."""
    port = free_port()
    environment = {"KAFKA_URL": kafka_url, "TOPIC": topic, "GATEWAY_PORT": str(port)} | dict(settings or {})
    url = f"http://127.0.0.1:{port}"
    child = Child(
        "gateway",
        (sys.executable, "-m", "touchstream.streams.cli", "gateway"),
        ready=lambda: answers(url),
        env={f"TOUCHSTREAM_{name}": value for name, value in environment.items()},
    )
    with running(child, directory) as process, httpx.Client(base_url=url, timeout=60) as client:
        yield RunningGateway(url, client, process)


def send_signal(process: Process, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def pause(process: Process) -> None:
    """Until SIGCONT. Waits until every thread of it has stopped: until then it goes on answering."""
    send_signal(process, signal.SIGSTOP)
    assert process.pid is not None
    os.waitpid(process.pid, os.WUNTRACED)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def create_topic(kafka_url: str, topic: str) -> None:
    ensure_topics(KafkaConnection.from_url(kafka_url), topic_specs(Settings(topic=topic, partitions=LANES)))


@dataclass(frozen=True)
class Log:
    """A topic's records from some offset of each lane on."""

    kafka_url: str
    topic: str
    begins: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def from_now_on(cls, kafka_url: str, topic: str) -> Log:
        ends = log_identity(KafkaConnection.from_url(kafka_url), topic)
        return cls(kafka_url, topic, {lane: position.end_offset for lane, position in ends.items()})

    def records(self) -> list[Any]:
        """Lane by lane."""
        connection = KafkaConnection.from_url(self.kafka_url)
        found: list[Any] = []
        consumer = KafkaConsumer(enable_auto_commit=False, **connection.client_options())
        try:
            for lane, position in log_identity(connection, self.topic).items():
                partition, begin = TopicPartition(self.topic, lane), self.begins.get(lane, 0)
                consumer.assign([partition])
                consumer.seek(partition, begin)
                until = len(found) + position.end_offset - begin
                while len(found) < until:
                    for polled in consumer.poll(timeout_ms=1000).values():
                        found += polled
        finally:
            consumer.close()
        return found

    def events(self) -> list[dict[str, Any]]:
        """Decoded, lane by lane in the log's order, without what the gateway has refused."""
        accepted = [record for record in self.records() if REFUSED not in dict(record.headers)]
        frame, refused = decode_batch([record.value for record in accepted], WriterSchemas())
        assert refused == []
        return frame.to_dicts()

    def event_ids(self) -> set[str]:
        return {event["event_id"] for event in self.events()}
