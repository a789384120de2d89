"""What a running worker tells: its health, its metrics, and the complete rolling rows in their topic."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kafka.choice import own_broker
from tests.support.asyncapi import SCHEMAS, wrong
from tests.support.clickhouse_front import front_of
from tests.support.gateway_process import Log, pause, running_gateway, send_signal
from tests.support.openmetrics import scraped, strictly_parsed
from tests.support.stack import eventually
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, Process, running
from touchstream.streams.broker.topics import STAGE_METRICS_TOPIC
from touchstream.streams.channels import Producer
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import prepare

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Observed:
    """A worker with a broker and a ClickHouse of its own."""

    settings: Settings
    broker: Process
    clickhouse: Process
    url: str

    def health(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/readyz", timeout=10)
        said: dict[str, Any] = answer.json()
        assert (answer.status_code == 200) == (said["state"] in ("ready", "idle"))
        return said

    def becomes(self, state: str) -> dict[str, Any]:
        eventually(lambda: self.health()["state"] == state)
        return self.health()

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """A metric's samples by their labels' values."""
        families = strictly_parsed(scraped(f"{self.url}/metrics"))
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return {tuple(sample.labels.values()): sample.value for sample in samples}

    def publish(self, events: int, age_seconds: float = 0) -> None:
        occurred_at = int((time.time() - age_seconds) * 1000)
        with Producer(self.settings.kafka_url) as producer:
            for number in range(events):
                producer.publish(
                    occurred_at=occurred_at, customer_id=f"c{number}", channel="web", touchpoint="page", nps=number % 11
                )


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    directory, port = tmp_path_factory.mktemp("observed"), free_port()
    broker, clickhouse = own_broker(directory), ClickHouse(directory / "clickhouse", free_port())
    settings = Settings(kafka_url=broker.url, clickhouse_url=clickhouse.url(), partitions=2, data_dir=directory)
    url = f"http://127.0.0.1:{port}"
    child = worker_child(settings, port)
    with running(broker.child(), directory) as kafka, running(clickhouse.child(), directory) as tables:
        for _ in prepare(settings):
            pass
        with running(child, directory):
            yield Observed(settings, kafka, tables, url)


def worker_child(settings: Settings, port: int) -> Child:
    return Child(
        "worker",
        (sys.executable, "-m", "touchstream.streams.cli", "worker"),
        ready=lambda: is_ready(f"http://127.0.0.1:{port}"),
        env={
            "TOUCHSTREAM_KAFKA_URL": settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": settings.clickhouse_url,
            "TOUCHSTREAM_TOPIC": settings.topic,
            "TOUCHSTREAM_GROUP": settings.group,
            "TOUCHSTREAM_METRICS_PORT": str(port),
        },
        ready_seconds=120,
    )


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def test_nothing_to_read_is_idle_and_events_are_not(worker: Observed) -> None:
    assert worker.becomes("idle")["lanes"] == 2
    worker.publish(50)
    assert worker.becomes("ready")["lanes"] == 2
    eventually(lambda: worker.values("touchstream_events_total").get(("counted",), 0) >= 50)
    eventually(lambda: set(worker.values("touchstream_lag_records").items()) == {(("0",), 0.0), (("1",), 0.0)})
    assert worker.values("touchstream_watermark_age_seconds").keys() == {("0",), ("1",)}
    assert worker.values("touchstream_batch_records_count")[()] >= 1
    assert worker.values("touchstream_take_overs_total") == {(): 2.0}
    assert worker.values("touchstream_worker_state")["ready",] + worker.values("touchstream_worker_state")["idle",] == 1


def test_the_leader_has_gauges_of_its_rolling_rows(worker: Observed) -> None:
    worker.publish(20)
    eventually(lambda: ("journey", "customer", "", "5m") in worker.values("touchstream_stage_nps_n"))
    assert ("5m",) in worker.values("touchstream_stage_completeness")


def test_a_worker_names_the_server_that_is_away_until_it_is_back(worker: Observed) -> None:
    for process, name in ((worker.clickhouse, "ClickHouse"), (worker.broker, "Kafka")):
        pause(process)
        try:
            assert worker.becomes("disconnected")["detail"] == f"{name} can't be reached"
        finally:
            send_signal(process, signal.SIGCONT)
        eventually(lambda: is_ready(worker.url))


def test_complete_rolling_rows_are_in_their_topic_as_described(worker: Observed) -> None:
    worker.publish(30, age_seconds=120)

    def rows() -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in Log(worker.settings.kafka_url, STAGE_METRICS_TOPIC).records()]

    eventually(lambda: any(row["touches"] >= 30 and row["window"] == "5m" for row in rows()))
    assert [problem for row in rows() for problem in wrong(SCHEMAS["stageMetrics"], row)] == []


def test_a_leader_that_is_asked_to_end_does_not_wait_for_rows_that_another_will_write(
    worker: Observed, tmp_path: Path
) -> None:
    here = worker.settings.clickhouse_url.rpartition("/")[0]
    settings = worker.settings.model_copy(
        update={"topic": "ending", "group": "ending", "clickhouse_url": f"{here}/ending"}
    )
    for _ in prepare(settings):
        pass
    with front_of(settings.clickhouse_url) as front:
        front.held = b"INSERT INTO stage_metrics"
        before = settings.model_copy(update={"clickhouse_url": front.url})
        with running(worker_child(before, free_port()), tmp_path) as ending:
            assert front.holds.wait(60)
            ending.terminate()
            # Long before the client would give up its answer (after a minute) it has ended, and not been killed.
            assert ending.wait(20) == 0


def test_the_gateways_exposition_passes_a_strict_parser(worker: Observed, tmp_path: Path) -> None:
    with running_gateway(tmp_path, worker.settings.kafka_url, worker.settings.topic) as gateway:
        eventually(gateway.ready)
        sent = {"occurred_at": int(time.time() * 1000), "customer_id": "a", "channel": "web", "touchpoint": "p"}
        assert gateway.post(sent).status_code == 202
        families = {family.name: family for family in strictly_parsed(scraped(f"{gateway.url}/metrics"))}
        samples = families["touchstream_gateway_events"].samples
        assert [sample.value for sample in samples if sample.name.endswith("_total")] == [1.0]


def test_the_exposition_of_watch_passes_a_strict_parser(worker: Observed, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    child = Child(
        "watch",
        (sys.executable, "-m", "touchstream.streams.cli", "watch"),
        ready=lambda: is_ready(url),
        env={
            "TOUCHSTREAM_KAFKA_URL": worker.settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": worker.settings.clickhouse_url,
            "TOUCHSTREAM_WATCH_PORT": str(port),
        },
    )
    with running(child, tmp_path):
        families = {family.name for family in strictly_parsed(scraped(f"{url}/metrics"))}
    assert {"touchstream_watch_state", "touchstream_watch_ticks"} <= families
