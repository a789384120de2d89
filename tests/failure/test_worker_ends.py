"""A worker that fails or is told to stop is gone in time, wherever it hangs: its supervisor starts another one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from tests.failure.hanging_worker import ENDS_BY_ITSELF, FAULTS, HELD, NOT_BEFORE_STOPPING, replaced
from tests.kafka.choice import own_broker
from tests.support.stack import eventually
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Process, running
from touchstream.schemas.times import now_ms
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import prepare

pytestmark = [pytest.mark.stack, pytest.mark.alone, pytest.mark.long]

GONE_SECONDS = 10.0
AT_ONCE = 6


@dataclass(frozen=True)
class Servers:
    kafka: Process
    clickhouse: Process
    settings: Settings
    directory: Path

    def topic(self) -> Settings:
        """A topic of its own with some events."""
        settings = self.settings.model_copy(update={"topic": f"t{uuid4().hex}", "group": f"g{uuid4().hex}"})
        assert list(prepare(settings))
        with KafkaProducer(**settings.kafka_connection().client_options()) as producer:
            for number in range(10):
                event = {"event_id": f"e{number}", "occurred_at": now_ms(), "customer_id": "ann"}
                value = json.dumps(event | {"channel": "web", "touchpoint": "page"}).encode()
                producer.send(settings.topic, key=b"ann", value=value)
        return settings

    @contextmanager
    def worker(self, settings: Settings, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
        log = self.directory / f"{settings.topic}.log"
        environment = os.environ | {
            "TOUCHSTREAM_KAFKA_URL": settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": settings.clickhouse_url,
            "TOUCHSTREAM_TOPIC": settings.topic,
            "TOUCHSTREAM_GROUP": settings.group,
            "TOUCHSTREAM_METRICS_PORT": "0",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=environment, stdout=output, stderr=output
            )
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp("ends")
    broker, clickhouse = own_broker(directory), ClickHouse(directory / "clickhouse", free_port())
    settings = Settings(kafka_url=broker.url, clickhouse_url=clickhouse.url(), partitions=1, data_dir=directory)
    with running(broker.child(), directory) as kafka, running(clickhouse.child(), directory) as tables:
        yield Servers(kafka, tables, settings, directory)


def seconds_to_end(process: "subprocess.Popen[bytes]") -> float:
    """From now on; as long as is waited for where it doesn't."""
    began = time.monotonic()
    try:
        process.wait(2 * GONE_SECONDS)
    except subprocess.TimeoutExpired:
        return float("inf")
    return time.monotonic() - began


def ending(servers: Servers, fault: str) -> float:
    """Seconds from when it fails, or is told to stop, until it is gone."""
    with servers.worker(servers.topic(), "tests.failure.hanging_worker", fault) as (process, log):
        sign = "lane taken over" if fault in NOT_BEFORE_STOPPING else HELD
        eventually(lambda: sign in log.read_text() or process.poll() is not None)
        assert sign in (said := log.read_text()), said
        if fault not in ENDS_BY_ITSELF:
            process.send_signal(signal.SIGTERM)
        return seconds_to_end(process)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_file_that_a_fault_replaces_is_there(fault: str) -> None:
    assert callable(getattr(*replaced(fault)))


def test_wherever_a_worker_hangs_or_breaks_it_is_gone_in_time(servers: Servers) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = dict(zip(FAULTS, pool.map(lambda fault: ending(servers, fault), FAULTS), strict=True))
    assert {fault: seconds for fault, seconds in took.items() if seconds > GONE_SECONDS} == {}
    assert len(took) >= 20


@pytest.mark.parametrize("away", ["kafka", "clickhouse"])
def test_a_worker_that_is_told_to_stop_while_a_server_is_silent_is_gone_in_time(servers: Servers, away: str) -> None:
    server: Process = getattr(servers, away)
    assert server.pid is not None
    with servers.worker(servers.topic(), "touchstream.streams.cli", "worker") as (process, log):
        eventually(lambda: "lane taken over" in log.read_text())
        os.kill(server.pid, signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGTERM)
            assert seconds_to_end(process) < GONE_SECONDS
        finally:
            os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("command", ["worker", "watch"])
def test_a_process_that_is_told_to_stop_as_it_starts_is_gone_in_time(servers: Servers, command: str) -> None:
    with servers.worker(servers.topic(), "touchstream.streams.cli", command) as (process, log):
        eventually(lambda: bool(log.read_text()) or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert seconds_to_end(process) < GONE_SECONDS
