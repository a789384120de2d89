"""Kafka away: 503, nothing that was accepted is lost, and sending again works."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from tests.kafka.choice import APACHE, AnyBroker, own_broker
from tests.support.gateway_process import Log, RunningGateway, create_topic, pause, running_gateway, send_signal
from tests.support.stack import eventually
from touchstream.deploy.local.process import Process, running
from touchstream.schemas.times import now_ms
from touchstream.streams.measure.refused import REFUSED

TOPIC = "touchpoints"
CALLS = """
format: 2
name: calls
events:
  - name: call
    fields: {occurred_at: at, customer_id: who, channel: {constant: web}, touchpoint: {constant: call}}
"""
SOON = {"GATEWAY_DELIVERY_SECONDS": "1"}
NOW_MS = now_ms()


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "occurred_at": NOW_MS,
        "customer_id": f"c{number % 23}",
        "channel": "web",
        "touchpoint": "t",
    }


@pytest.fixture
def broker(tmp_path: Path) -> AnyBroker:
    return own_broker(tmp_path)


@pytest.fixture
def kafka(broker: AnyBroker, tmp_path: Path) -> Iterator[Process]:
    """A broker of one's own, with the topic."""
    with running(broker.child(), tmp_path / "broker") as process:
        create_topic(broker.url, TOPIC)
        try:
            yield process
        finally:
            if process.pid is not None:
                send_signal(process, signal.SIGCONT)


def state(gateway: RunningGateway) -> tuple[int, str]:
    response = gateway.client.get("/readyz")
    return response.status_code, response.json()["state"]


def refuses_what_it_would_refuse_anyway(gateway: RunningGateway) -> None:
    """While Kafka is away: whoever sent it would else send it again until Kafka is back, and be refused then."""
    bodies: list[tuple[bytes, dict[str, str], int]] = [
        (b"{", {}, 400), (b"[", {}, 400), (b" ", {}, 400), (b"hello", {"Content_Type": "text/plain"}, 400),
        (b"a=1&b=2", {"Content_Type": "application/x-www-form-urlencoded"}, 400), (b"\xff\xfe{\0", {}, 400),
        (b"nonsense\nmore", {"Content_Type": "application/x-ndjson"}, 400),
        (b"\x1f\x8b", {"Content_Encoding": "gzip"}, 400),
        (b"{}", {"Content_Encoding": "br"}, 415), (b"{", {"Content_Type": "application/cloudevents+json"}, 400),
    ]  # fmt: skip
    for body, headers, status in bodies:
        answer = gateway.post(body, **headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), body
        assert len(answer.json()["detail"]) > 20, body
    refused = gateway.post([event(1) | {"nps": 11}, {"event_id": "e2"}])
    assert (refused.status_code, refused.json()["accepted"]) == (202, 0)
    assert [one["reason"] for one in refused.json()["refused"]] == ["out_of_scale", "missing_field"]
    assert gateway.post([event(1), event(2) | {"nps": 11}]).status_code == 503
    said = gateway.client.get("/metrics").text
    for reason, times in {"undecodable": 7, "out_of_scale": 1, "missing_field": 1}.items():
        assert f'touchstream_gateway_refused_not_kept_total{{reason="{reason}"}} {times}.0' in said, reason


def test_a_request_that_could_not_be_used_anyway_is_refused_also_while_kafka_does_not_answer(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        eventually(gateway.ready)
        pause(kafka)
        refuses_what_it_would_refuse_anyway(gateway)
        send_signal(kafka, signal.SIGCONT)
        both = [event(1), event(2) | {"nps": 11}]
        eventually(lambda: gateway.post(both).status_code == 202)
        records = Log(broker.url, TOPIC).records()
        assert both[1] in [json.loads(record.value) for record in records if REFUSED in dict(record.headers)]


def test_a_message_of_a_system_that_corrects_nothing_is_sent_again_and_kept_once_kafka_is_back(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    (tmp_path / "calls.yaml").write_text(CALLS)
    (tmp_path / "sources.yaml").write_text("sources: {till: {mapping: calls.yaml}}\n")
    with running_gateway(
        tmp_path, broker.url, TOPIC, SOON | {"GATEWAY_SOURCES_FILE": str(tmp_path / "sources.yaml")}
    ) as gateway:
        eventually(gateway.ready)
        pause(kafka)

        def status(body: bytes) -> int:
            return gateway.client.post("/v1/in/till", content=body).status_code

        message = json.dumps({"at": NOW_MS, "who": "guest"}).encode()
        assert [status(message), status(b"no message")] == [503, 400]
        send_signal(kafka, signal.SIGCONT)
        eventually(lambda: status(message) == 202)
        assert any(b"guest" in record.value for record in Log(broker.url, TOPIC).records())


def test_a_kafka_that_does_not_answer_is_503_and_sending_again_loses_and_doubles_nothing(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        eventually(gateway.ready)
        assert gateway.post([event(number) for number in range(50)]).status_code == 202
        pause(kafka)
        response = gateway.post([event(number) for number in range(40, 100)])
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert state(gateway) == (503, "disconnected")
        assert gateway.client.get("/healthz").status_code == 200
        send_signal(kafka, signal.SIGCONT)
        eventually(lambda: gateway.post([event(number) for number in range(40, 100)]).status_code == 202)
        eventually(lambda: state(gateway) == (200, "ready"))
        assert Log(broker.url, TOPIC).event_ids() == {f"e{number}" for number in range(100)}


def test_a_503_tells_the_ids_that_were_given_so_that_sending_again_counts_once(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        eventually(gateway.ready)
        pause(kafka)
        sent = [event(0), {name: value for name, value in event(1).items() if name != "event_id"}]
        response = gateway.post(sent)
        assert response.status_code == 503
        (given,) = response.json()["event_ids"]
        assert given["index"] == 1
        send_signal(kafka, signal.SIGCONT)
        sent[1]["event_id"] = given["event_id"]
        eventually(lambda: gateway.post(sent).status_code == 202)
        assert Log(broker.url, TOPIC).event_ids() == {"e0", given["event_id"]}


def test_nothing_that_was_accepted_is_lost_while_kafka_comes_and_goes(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    accepted: list[int] = []
    refused: list[int] = []
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        eventually(gateway.ready)

        def send(first: int) -> None:
            numbers = range(first, first + 20)
            while (response := gateway.post([event(number) for number in numbers])).status_code != 202:
                assert response.status_code == 503
                refused.append(first)
                time.sleep(0.05)
            accepted.extend(numbers)

        def send_every_fourth(start: int) -> None:
            for first in range(start, 2000, 80):
                send(first)

        senders = [threading.Thread(target=send_every_fourth, args=(start,)) for start in range(0, 80, 20)]
        for sender in senders:
            sender.start()
        for share in (200, 800):
            eventually(lambda share=share: len(accepted) >= share)  # type: ignore[misc]
            pause(kafka)
            before = len(refused)
            eventually(lambda before=before: len(refused) > before)  # type: ignore[misc]
            send_signal(kafka, signal.SIGCONT)
        for sender in senders:
            sender.join(60)
        assert sorted(accepted) == list(range(2000))
        assert Log(broker.url, TOPIC).event_ids() == {f"e{number}" for number in range(2000)}


def test_a_kafka_that_was_killed_and_started_again_is_found_again(
    broker: AnyBroker, kafka: Process, tmp_path: Path
) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        eventually(gateway.ready)
        assert gateway.post(event(1)).status_code == 202
        assert Log(broker.url, TOPIC).event_ids() == {"e1"}
        kafka.kill()
        assert gateway.post(event(2)).status_code == 503
        assert state(gateway) == (503, "disconnected")
        with running(broker.child(), tmp_path / "again"):
            create_topic(broker.url, TOPIC)
            eventually(lambda: gateway.post(event(2)).status_code == 202)
            eventually(gateway.ready)
            assert gateway.post(event(3)).status_code == 202
            kept = {"e1"} if APACHE else set()  # the local broker keeps its log in memory
            assert Log(broker.url, TOPIC).event_ids() == {"e2", "e3"} | kept
        assert "e2" not in gateway.log()


def test_a_gateway_starts_without_kafka_and_finds_it_later(broker: AnyBroker, tmp_path: Path) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC, SOON) as gateway:
        assert state(gateway) == (503, "disconnected")
        assert gateway.post(event(1)).status_code == 503
        refuses_what_it_would_refuse_anyway(gateway)
        with running(broker.child(), tmp_path / "broker"):
            eventually(lambda: "touchstream init" in gateway.client.get("/readyz").text)
            consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
            assert TOPIC not in consumer.topics()  # looking for it must not make it, with any number of lanes
            consumer.close()
            create_topic(broker.url, TOPIC)
            eventually(gateway.ready)
            assert gateway.post(event(1)).status_code == 202
            assert Log(broker.url, TOPIC).event_ids() == {"e1"}


def test_a_gateway_without_kafka_stops_when_it_is_told_to(broker: AnyBroker, tmp_path: Path) -> None:
    with running_gateway(tmp_path, broker.url, TOPIC) as gateway:
        assert gateway.process.pid is not None
        os.kill(gateway.process.pid, signal.SIGINT)
        eventually(lambda: gateway.process.pid is None, 20)
        assert "gateway stopped" in gateway.log()
