"""Segment's paths through a real gateway: what its SDKs send, from servers and from web pages."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway_process import PATH, Log, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.gateway.segment import CALLS, PATHS
from touchstream.streams.channels.judged import Bounds
from touchstream.streams.measure.refused import REFUSED

pytestmark = pytest.mark.any_kafka

TOPIC = "gateway-segment"
SHOP, OTHER = "https://shop.example", "https://other.example:8443"
SERVER, PAGES, ELSEWHERE = new_key(), new_key(), new_key()


@pytest.fixture(scope="module")
def gateway(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("segment")
    web = Bounds(channels=frozenset({"web"}))
    lines = [
        key_line("server", SERVER),
        key_line("pages", PAGES, bounds=web, origins=frozenset({SHOP})),
        key_line("elsewhere", ELSEWHERE, origins=frozenset({OTHER})),
    ]
    (folder / "keys").write_text("\n".join(lines) + "\n")
    create_topic(kafka_url, TOPIC)
    with running_gateway(folder, kafka_url, TOPIC, {"GATEWAY_KEYS_FILE": str(folder / "keys")}) as running:
        eventually(running.ready)
        yield running


@pytest.fixture
def log(gateway: RunningGateway, kafka_url: str) -> Log:
    return Log.from_now_on(kafka_url, TOPIC)


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def message(**fields: Any) -> dict[str, Any]:
    at = iso(now_ms())
    return {"messageId": "m1", "userId": "somebody-in-particular", "anonymousId": "d1", "timestamp": at} | fields


def post(gateway: RunningGateway, path: str, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gateway.client.post(path, content=content, headers=named)


@pytest.mark.parametrize("path", PATHS)
def test_every_call_is_taken_under_its_name_and_its_letter(path: str, gateway: RunningGateway, log: Log) -> None:
    sent: dict[str, Any] = message(event="Product Viewed", name="Home", groupId="g", previousId="d0")
    if PATHS[path] == "batch":
        sent = {"batch": [sent | {"type": "page"}, sent | {"type": "track", "messageId": "m2"}]}
    response = post(gateway, path, sent, **basic(SERVER))
    assert (response.status_code, response.json()["success"], response.json()["refused"]) == (200, True, [])
    found = {"group": 0, "alias": 0, "batch": 2}.get(PATHS[path], 1)
    assert response.json()["accepted"] == len(log.events()) == found
    assert bool(response.json()["skipped"]) == (found == 0)
    assert all((one["sent_by"], one["customer_id"]) == ("server", "somebody-in-particular") for one in log.events())


def test_a_batch_of_the_sdk_for_python_is_taken_with_its_clock_put_right(gateway: RunningGateway, log: Log) -> None:
    """The body and headers that segment-analytics-python 2.4.0 sends, on a machine that is an hour ahead."""
    at_ms = now_ms() - 5_000
    ahead_ms = 3_600_000
    order = {"order_id": "o1", "total": 12.5, "currency": "EUR"}
    sent = {
        "sentAt": iso(now_ms() + ahead_ms),
        "batch": [
            message(type="track", event="Order Completed", properties=order, timestamp=iso(at_ms + ahead_ms),
                    context={"library": {"name": "analytics-python", "version": "2.4.0"}}, integrations={}),
        ],
    }  # fmt: skip
    headers = {"content-type": "application/json", "user-agent": "analytics-python/2.4.0"} | basic(SERVER)
    body = gzip.compress(json.dumps(sent).encode())
    assert post(gateway, "/v1/batch", body, content_encoding="gzip", **headers).json()["accepted"] == 1
    (found,) = log.events()
    assert (found["event_id"], found["revenue_minor"], found["channel"]) == ("order:o1", 1_250, "server")
    assert abs(found["occurred_at"] - at_ms) < 60_000
    assert post(gateway, "/v1/batch", body, content_encoding="gzip", **headers).status_code == 200
    assert {one["event_id"] for one in log.events()} == {"order:o1"}


def test_a_beacon_of_a_web_page_is_taken_with_the_key_in_its_body(gateway: RunningGateway, log: Log) -> None:
    page = message(type="page", name="Home", context={"library": {"name": "@segment/analytics-next"}})
    beacon = {"writeKey": PAGES, "batch": [page | {"writeKey": PAGES}], "sentAt": iso(now_ms())}
    response = post(gateway, "/v1/b", beacon, content_type="text/plain", origin=SHOP)
    assert (response.status_code, response.json()["accepted"]) == (200, 1)
    assert response.headers["access-control-allow-origin"] == SHOP
    assert "origin" in response.headers["vary"].lower()
    assert [one["sent_by"] for one in log.events()] == ["pages"]
    without: list[Any] = [{"batch": []}, {"writeKey": 5}, {"writeKey": ""}, {"writeKey": new_key()}, b"{", [], b""]
    for nothing in without:
        response = post(gateway, "/v1/b", nothing, content_type="text/plain", origin=SHOP)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, SHOP)


def test_a_key_is_taken_from_pages_of_its_origins_only(gateway: RunningGateway, log: Log) -> None:
    page = message(type="page", name="Home")
    assert post(gateway, "/v1/page", page, origin=SHOP, **basic(PAGES)).status_code == 200
    for key, origin in ((PAGES, {"origin": OTHER}), (PAGES, {"origin": "null"}), (PAGES, {"origin": f"{SHOP}:81"}),
                        (PAGES, {}), (SERVER, {"origin": SHOP}), (ELSEWHERE, {"origin": SHOP})):  # fmt: skip
        response = post(gateway, "/v1/page", page, **basic(key), **origin)
        assert (response.status_code, response.json()["title"]) == (403, "Not from this origin")
    assert len(log.events()) == 1
    event = {"event_id": "e", "occurred_at": now_ms(), "customer_id": "c", "channel": "web", "touchpoint": "t"}
    bearer = {"authorization": f"Bearer {PAGES}"}
    assert post(gateway, PATH, event, **bearer).status_code == 403
    assert post(gateway, PATH, event, origin=SHOP, **bearer).status_code == 202


@pytest.mark.parametrize(
    ("origin", "status"), [(SHOP, 204), (OTHER, 204), ("https://evil.example", 403), ("null", 403)]
)
def test_a_browser_learns_which_pages_may_send(origin: str, status: int, gateway: RunningGateway) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    for path in PATHS:
        response = gateway.client.request("OPTIONS", path, headers=asked)
        assert response.status_code == status
        assert response.headers.get("access-control-allow-origin") == (origin if status == 204 else None)
    if status == 204:
        assert "Authorization" in response.headers["access-control-allow-headers"]
        assert response.headers["access-control-allow-methods"] == "POST"
        assert "access-control-allow-credentials" not in response.headers


def test_refused_messages_are_listed_and_kept_without_the_key(gateway: RunningGateway, log: Log) -> None:
    order = message(type="track", event="Order Completed", properties={"total": "1.234", "currency": "EUR"})
    camera = message(type="track", event="Camera", messageId="m2", context={"library": {"name": "analytics-ios"}})
    sent = {"writeKey": PAGES, "batch": [order | {"writeKey": PAGES}, camera, message(type="page", name="Home")]}
    answer = post(gateway, "/v1/batch", sent, origin=SHOP, content_type="text/plain").json()
    assert answer["accepted"] == 1
    assert [(one["index"], one["reason"]) for one in answer["refused"]] == [(0, "wrong_type"), (1, "not_allowed")]
    letters = [one for one in log.records() if REFUSED in dict(one.headers)]
    assert len(letters) == 2
    assert not any(PAGES.encode() in one.value for one in letters)
    assert post(gateway, "/v1/track", b"{broken", **basic(SERVER)).status_code == 400


def test_secrets_and_people_are_in_no_log_and_paths_are_described(gateway: RunningGateway) -> None:
    post(gateway, "/v1/page", message(name="Home"), **basic(SERVER))
    log = gateway.log()
    assert not any(one in log for one in (SERVER, PAGES, basic(SERVER)["authorization"], "somebody-in-particular"))
    described = gateway.client.get("/openapi.json").json()["paths"]
    assert {f"/v1/{call}" for call in CALLS} <= set(described)
    assert 'touchstream_gateway_requests_total{path="/v1/page",status="200"}' in gateway.client.get("/metrics").text


def test_without_keys_programs_of_this_machine_may_send_and_web_pages_may_not(
    kafka_url: str, gateway: RunningGateway, tmp_path: Path
) -> None:
    with running_gateway(tmp_path, kafka_url, TOPIC) as bare:
        eventually(bare.ready)
        assert post(bare, "/v1/page", message(name="Home"), **basic("whatever")).status_code == 200
        for body in (message(name="Home"), message(name="Home", writeKey=PAGES)):
            response = post(bare, "/v1/page", body, origin=SHOP, content_type="text/plain")
            assert (response.status_code, response.headers.get("access-control-allow-origin")) == (403, None)
        assert bare.client.request("OPTIONS", "/v1/page", headers={"origin": SHOP}).status_code == 403
