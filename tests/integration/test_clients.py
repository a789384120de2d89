"""Clients of others, as they are published, at the gateway and in a topic: each event arrives once, when and whose."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support import clients
from tests.support.gateway_process import PATH, Log, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.cli.main import app
from touchstream.streams.process.connection import KafkaConnection

pytestmark = pytest.mark.any_kafka

TOPIC = "gateway-clients"
KEY = new_key()
NOON_MS = 1_796_040_000_000


@dataclass(frozen=True)
class Doors:
    """A gateway, and what it put into Kafka since a test began."""

    gateway: RunningGateway
    log: Log

    def sent_by(self, command: list[str], **environment: str) -> None:
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def gateway(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "keys").write_text(key_line("clients", KEY) + "\n")
    create_topic(kafka_url, TOPIC)
    with running_gateway(folder, kafka_url, TOPIC, {"GATEWAY_KEYS_FILE": str(folder / "keys")}) as running:
        eventually(running.ready)
        yield running


@pytest.fixture
def doors(gateway: RunningGateway, kafka_url: str) -> Doors:
    return Doors(gateway, Log.from_now_on(kafka_url, TOPIC))


def identity(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return event["source"] or event["channel"], event["customer_id"] or event["anonymous_id"], event["event_id"]


def assert_a_visit_and_an_order(events: list[dict[str, Any]], who: str, began_ms: int) -> None:
    counted = {identity(one): one for one in reversed(events)}.values()
    assert len(events) == len(counted) + 1  # the order was sent under two ids of messages
    assert sorted((one["touchpoint"], one["customer_id"]) for one in counted) == [
        ("home", None), ("identify", f"{who}-customer"), ("order completed", f"{who}-customer"),
    ]  # fmt: skip
    assert {one["anonymous_id"] for one in counted if one["action"] != "purchase"} == {f"{who}-visitor"}
    order = next(one for one in counted if one["action"] == "purchase")
    assert (order["event_id"], order["revenue_minor"], order["currency"]) == (f"order:{who}-1", 1999, "EUR")
    assert all(began_ms - 1 <= one["occurred_at"] <= now_ms() for one in events)


def test_segments_sdk_for_node_sends_each_event_once(doors: Doors) -> None:
    modules, began_ms = clients.node_modules(), now_ms()
    script = str(clients.CLIENTS / "segment.mjs")
    doors.sent_by(["node", script, doors.gateway.url, KEY], NODE_MODULES=str(modules))
    assert_a_visit_and_an_order(doors.log.events(), "node", began_ms)


def test_segments_sdk_for_python_sends_each_event_once(doors: Doors) -> None:
    python, began_ms = clients.python(), now_ms()
    doors.sent_by([str(python), str(clients.CLIENTS / "segment_sdk.py"), doors.gateway.url, KEY])
    assert_a_visit_and_an_order(doors.log.events(), "python", began_ms)


def test_the_sdk_of_cloudevents_sends_the_same_event_over_http_and_through_a_topic_in_both_modes(
    doors: Doors, kafka_url: str, unique_name: str, tmp_path: Path
) -> None:
    command = [str(clients.python()), str(clients.CLIENTS / "cloudevents_sdk.py")]
    doors.sent_by([*command, "http", doors.gateway.url + PATH, KEY])
    ensure_topics(KafkaConnection.from_url(kafka_url), [TopicSpec(unique_name, 1, 1)])
    doors.sent_by([*command, "kafka", kafka_url.removeprefix("kafka://"), unique_name])
    environment = {"TOUCHSTREAM_KAFKA_URL": kafka_url, "TOUCHSTREAM_TOPIC": TOPIC}
    result = CliRunner(env=environment).invoke(
        app, ["normalise", unique_name, "--map", "cloudevents", "--once", "--json"]
    )
    assert result.exit_code == 0 and json.loads(result.stdout)["accepted"] == 2, result.output
    events = doors.log.events()
    assert sorted((one["event_id"], one["customer_id"]) for one in events) == sorted(
        (f"/clients/tür#{where}-{mode}", f"cloud-{where}")
        for where in ("http", "kafka")
        for mode in ("structured", "binary")
    )
    assert {(one["touchpoint"], one["channel"], one["occurred_at"]) for one in events} == {("opened", "app", NOON_MS)}
