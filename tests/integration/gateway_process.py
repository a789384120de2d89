"""The gateway as a process, and what it put into Kafka."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer, TopicPartition

from deploy.local.ports import free_port
from deploy.local.process import Child, Process, running
from schemas.codec import WriterSchemas
from schemas.columns import decode_batch
from streams.connection import KafkaConnection
from streams.settings import Settings
from streams.topics import ensure_topics, log_identity, topic_specs

PATH = "/v1/touchpoints"
LANES = 4


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that answers; `process` is its leash, which passes signals on."""

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
        (sys.executable, "-m", "streams.cli", "gateway"),
        ready=lambda: answers(url),
        env={f"TOUCHSTREAM_{name}": value for name, value in environment.items()},
    )
    with running(child, directory) as process, httpx.Client(base_url=url, timeout=60) as client:
        yield RunningGateway(url, client, process)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def create_topic(kafka_url: str, topic: str) -> None:
    ensure_topics(KafkaConnection.from_url(kafka_url), topic_specs(Settings(topic=topic, partitions=LANES)))


def records(kafka_url: str, topic: str) -> list[Any]:
    """All records of a topic, lane by lane."""
    connection = KafkaConnection.from_url(kafka_url)
    found: list[Any] = []
    consumer = KafkaConsumer(enable_auto_commit=False, **connection.client_options())
    try:
        for lane, position in log_identity(connection, topic).items():
            partition = TopicPartition(topic, lane)
            consumer.assign([partition])
            consumer.seek(partition, 0)
            end = len(found) + position.end_offset
            while len(found) < end:
                for polled in consumer.poll(timeout_ms=1000).values():
                    found += polled
    finally:
        consumer.close()
    return found


def events(kafka_url: str, topic: str) -> list[dict[str, Any]]:
    """All events of a topic, decoded, lane by lane in the log's order."""
    frame, refused = decode_batch([record.value for record in records(kafka_url, topic)], WriterSchemas())
    assert refused == []
    return frame.to_dicts()
