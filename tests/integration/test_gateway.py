"""The gateway as a process on a free port: what is posted is in Kafka when it answers, or refused with a reason."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.kafka.choice import APACHE
from tests.support.gateway_process import LANES, PATH, Log, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.partitioner import lane_of

DATA = Path(__file__).parents[3] / "shared" / "data" / "conformance"
TEXTS = {path.name: path.read_bytes() for path in sorted((DATA / "json_test_suite" / "test_parsing").glob("*.json"))}
STRINGS_FILE = DATA / "naughty_strings" / "blns.json"
NOW_MS = now_ms()
TOPIC = "gateway"
NAMES = ("event_id", "customer_id", "anonymous_id", "channel", "touchpoint", "stage", "journey", "segment", "action")


@pytest.fixture(scope="module")
def gateway(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    create_topic(kafka_url, TOPIC)
    with running_gateway(tmp_path_factory.mktemp("gateway"), kafka_url, TOPIC) as running:
        eventually(running.ready)
        yield running


@pytest.fixture
def log(gateway: RunningGateway, kafka_url: str) -> Log:
    """What comes into Kafka during the test."""
    return Log.from_now_on(kafka_url, TOPIC)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "occurred_at": NOW_MS,
        "customer_id": f"c{number % 23}",
        "channel": "web",
        "touchpoint": "t",
    } | fields


def answered(response: httpx.Response) -> tuple[int, list[tuple[int, str]]]:
    """How many were accepted, and the indexes and reasons of the others."""
    assert response.status_code == 202, response.text
    answer = response.json()
    return answer["accepted"], [(refused["index"], refused["reason"]) for refused in answer["refused"]]


def test_an_accepted_event_is_in_kafka_when_the_answer_comes(gateway: RunningGateway, log: Log) -> None:
    before = now_ms()
    assert gateway.post(event(1)).json() == {"accepted": 1, "refused": []}
    (record,) = log.records()
    (found,) = log.events()
    assert record.key == b"c1"
    assert before <= found["received_at"] <= record.timestamp <= now_ms()
    # Apache Kafka stamps records itself (LogAppendTime), the local broker leaves them with ours.
    assert APACHE or record.timestamp == found["received_at"]
    assert {name: found[name] for name in event(1)} == event(1)


def test_every_form_of_a_request_is_taken(gateway: RunningGateway, log: Log) -> None:
    lines = b"".join(json.dumps(event(number)).encode() + b"\r\n" for number in range(4, 7))
    assert answered(gateway.post(event(1))) == (1, [])
    assert answered(gateway.post([event(2), event(3)])) == (2, [])
    assert answered(gateway.post(lines, content_type="application/x-ndjson")) == (3, [])
    assert answered(gateway.post(lines.replace(b': "e', b': "f'))) == (3, [])
    zipped = gzip.compress(json.dumps([event(7), event(8)]).encode())
    assert answered(gateway.post(zipped, content_encoding="gzip")) == (2, [])
    assert answered(gateway.post([])) == (0, [])
    ids = [f"e{number}" for number in range(1, 9)] + [f"f{number}" for number in range(4, 7)]
    assert sorted(found["event_id"] for found in log.events()) == sorted(ids)


def test_valid_events_are_published_and_the_others_listed(gateway: RunningGateway, log: Log) -> None:
    sent = [event(0, nps=11), event(1), 5, event(3), {"channel": "web"}, event(5, customer_id=None)]
    reasons = [(0, "out_of_scale"), (2, "wrong_type"), (4, "missing_field"), (5, "no_customer")]
    assert answered(gateway.post(sent)) == (2, reasons)
    assert {found["event_id"] for found in log.events()} == {"e1", "e3"}


def test_an_id_that_was_given_is_the_one_in_kafka(gateway: RunningGateway, log: Log) -> None:
    sent = event(1)
    del sent["event_id"]
    (given,) = gateway.post(sent).json()["event_ids"]
    (found,) = log.events()
    assert given == {"index": 0, "event_id": found["event_id"]}


def test_a_customers_events_keep_their_order_in_the_lane_that_every_client_chooses(
    gateway: RunningGateway, log: Log
) -> None:
    sent = [event(number) for number in range(3000)]
    assert answered(gateway.post(sent)) == (3000, [])
    found = log.records()
    assert all(record.partition == lane_of(record.key, LANES) for record in found)
    by_customer: dict[str, list[str]] = {}
    for one in log.events():
        by_customer.setdefault(one["customer_id"], []).append(one["event_id"])
    assert len(by_customer) == 23
    for customer, ids in by_customer.items():
        assert ids == [one["event_id"] for one in sent if one["customer_id"] == customer]


def test_many_requests_at_once_lose_and_double_nothing(gateway: RunningGateway, log: Log) -> None:
    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            batches = ([event(100 * batch + number) for number in range(100)] for batch in range(30))
            return await asyncio.gather(*(client.post(PATH, json=batch) for batch in batches))

    assert [answered(response) for response in asyncio.run(all_at_once())] == [(100, [])] * 30
    assert sorted(one["event_id"] for one in log.events()) == sorted(f"e{n}" for n in range(3000))


@pytest.mark.skipif(not STRINGS_FILE.exists(), reason=f"needs the list of naughty strings at {STRINGS_FILE}")
def test_naughty_strings_as_names_and_ids_come_through_unchanged(gateway: RunningGateway, log: Log) -> None:
    strings = [text for text in dict.fromkeys(json.loads(STRINGS_FILE.read_text())) if VoidIds.of().is_person(text)]
    sent = [event(0, **dict.fromkeys(NAMES, text), attributes={text: text}) for text in strings]
    assert answered(gateway.post(json.dumps(sent).encode())) == (len(sent), [])
    assert answered(gateway.post(json.dumps(sent, ensure_ascii=False).encode())) == (len(sent), [])
    found = log.events()
    for name in NAMES:
        assert sorted(one[name] for one in found) == sorted(strings * 2)
    assert all(dict(one["attributes"]) == {one["channel"]: one["channel"]} for one in found)
    assert {record.key.decode() for record in log.records()} == set(strings)


@pytest.mark.skipif(not TEXTS, reason=f"needs the JSON test suite in {DATA}")
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson", ""])
def test_every_text_that_is_json_is_judged_and_every_text_that_is_none_refused(
    content_type: str, gateway: RunningGateway
) -> None:
    assert len(TEXTS) == 318
    for name, text in TEXTS.items():
        status = gateway.post(text, content_type=content_type).status_code
        if content_type == "application/x-ndjson" and b"\n" in text.strip():
            assert status in (202, 400), name  # lines are another format
        else:
            assert status in {"y": (202,), "n": (400,), "i": (202, 400)}[name[0]], name


def test_an_answer_of_no_json_says_where(gateway: RunningGateway) -> None:
    response = gateway.post(b'[{"event_id": 1]')
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "The body is no JSON"
    assert "(byte 15)" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", PATH, 405, "POST"),
        ("PUT", PATH, 405, "POST"),
        ("DELETE", PATH, 405, "POST"),
        ("TRACE", PATH, 405, "POST"),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("POST", f"{PATH}/", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_other_methods_and_paths_are_problems(
    method: str, path: str, status: int, allowed: str | None, gateway: RunningGateway
) -> None:
    response = gateway.client.request(method, path)
    assert response.status_code == response.json()["status"] == status
    assert (", ".join(sorted(response.headers["allow"].split(", "))) if allowed else None) == allowed


def samples(gateway: RunningGateway) -> dict[tuple[str, ...], float]:
    """Every sample's value by its name and labels, through a strict parser."""
    response = gateway.client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    families = list(text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]
    assert all(family.documentation for family in families)
    return {(sample.name, *sample.labels.values()): sample.value for one in families for sample in one.samples}


def test_metrics_are_openmetrics_and_count_what_happened(gateway: RunningGateway) -> None:
    gateway.client.get("/nowhere")
    gateway.post([event(1), event(2, nps=11)])
    gateway.post(b"{")
    before = samples(gateway)
    gateway.post([event(1), event(2, nps=11), event(3)])
    gateway.post(b"{")
    gateway.client.get("/nowhere")
    after = samples(gateway)
    requests, events = "touchstream_gateway_requests_total", "touchstream_gateway_events_total"
    for sample, more in {
        (events, "accepted"): 2,
        (events, "out_of_scale"): 1,
        (requests, PATH, "202"): 1,
        (requests, PATH, "400"): 1,
        (requests, "other", "404"): 1,
        ("touchstream_gateway_seconds_count", PATH): 2,
    }.items():
        assert after[sample] == before[sample] + more, sample
    assert "# TYPE" in gateway.client.get("/metrics").text
