"""Webhooks of foreign systems through a real gateway: signed, mapped, in Kafka; or refused, and nothing of it there."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway_process import Log, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.deploy.local.process import ChildError
from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.judged import Bounds
from touchstream.streams.measure.refused import REFUSED

pytestmark = pytest.mark.any_kafka

TOPIC = "gateway-webhooks"
OLD, NEW, DESK = "the shop's secret of before", "the shop's secret of today", "the secret of the desk"
SOURCES = """
sources:
  shop: {mapping: shopify, signature: shopify, secrets: [{environment: SHOP_SECRET}, {file: old-secret}]}
  desk: {mapping: calls.yaml, signature: stripe, secrets: [{file: desk-secret}]}
  till: {mapping: calls.yaml}
"""
CALLS = """
format: 2
name: calls
source: crm
events:
  - name: call
    fields:
      event_id: id
      occurred_at: {path: at, unit: milliseconds}
      customer_id: who
      channel: {path: channel, default: call_centre}
      touchpoint: {constant: call}
      csat: stars
"""
NOW_MS = now_ms()
ORDER = {"id": 5001, "created_at": "2026-11-30T00:53:20Z", "currency": "EUR", "total_price": "59.00",
         "customer": {"id": "somebody-in-particular"}}  # fmt: skip
CALL: dict[str, Any] = {"id": "c1", "at": NOW_MS, "who": "ann", "stars": 4}


class Webhooks:
    """A gateway with sources, and their senders."""

    def __init__(self, gateway: RunningGateway, key: str, bound_key: str) -> None:
        self.gateway, self.key, self.bound_key = gateway, key, bound_key

    def post(self, source: str, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gateway.client.post(f"/v1/in/{source}", content=body, headers=named)

    def shop(self, body: bytes, secret: str = NEW, **headers: str) -> httpx.Response:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
        signature = {"X_Shopify_Hmac_SHA256": base64.b64encode(digest).decode()}
        return self.post("shop", body, **(signature | headers))

    def desk(self, body: bytes, at: int, signed_at: int | None = None) -> httpx.Response:
        message = b"%d." % (at if signed_at is None else signed_at) + body
        signature = hmac.new(DESK.encode(), message, hashlib.sha256).hexdigest()
        return self.post("desk", body, Stripe_Signature=f"t={at},v1={signature}")


def settings_of(folder: Path, **more: str) -> dict[str, str]:
    """Of a gateway with the sources, without keys unless they are in `more`."""
    (folder / "sources.yaml").write_text(SOURCES)
    (folder / "calls.yaml").write_text(CALLS)
    (folder / "old-secret").write_text(f"{OLD}\n")
    (folder / "desk-secret").write_text(f"{DESK}\n")
    return {"GATEWAY_SOURCES_FILE": str(folder / "sources.yaml")} | more


@pytest.fixture(scope="module")
def webhooks(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhooks]:
    folder = tmp_path_factory.mktemp("webhooks")
    key, bound = new_key(), new_key()
    bounds = Bounds(channels=frozenset({"store"}))
    (folder / "keys").write_text(f"{key_line('tills', key)}\n{key_line('store', bound, bounds=bounds)}\n")
    create_topic(kafka_url, TOPIC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_SECRET", NEW)
        settings = settings_of(folder, GATEWAY_KEYS_FILE=str(folder / "keys"))
        with running_gateway(folder, kafka_url, TOPIC, settings) as gateway:
            eventually(gateway.ready)
            yield Webhooks(gateway, key, bound)


@pytest.fixture
def log(webhooks: Webhooks, kafka_url: str) -> Log:
    return Log.from_now_on(kafka_url, TOPIC)


def body(message: Any) -> bytes:
    return json.dumps(message).encode()


def test_a_signed_webhook_is_mapped_and_in_kafka_when_the_answer_comes(webhooks: Webhooks, log: Log) -> None:
    response = webhooks.shop(body(ORDER), content_type="application/json; charset=utf-8")
    assert (response.status_code, response.json()) == (202, {"accepted": 2, "refused": []})
    order, identity = sorted(log.events(), key=lambda one: one["action"], reverse=True)
    assert (order["event_id"], order["revenue_minor"], order["currency"]) == ("order:5001", 5_900, "EUR")
    assert (order["source"], order["sent_by"]) == ("shopify", "in/shop")
    assert identity["action"] == "identify"
    assert webhooks.shop(body(ORDER | {"test": True})).json() == {
        "accepted": 0, "refused": [], "skipped": {"it is a test order": 1},
    }  # fmt: skip


def test_a_webhook_that_is_sent_again_has_the_same_events(webhooks: Webhooks, log: Log) -> None:
    for secret in (OLD, NEW):
        assert webhooks.shop(body(ORDER), secret).status_code == 202
    assert sorted(one["event_id"] for one in log.events()) == ["identify:5001"] * 2 + ["order:5001"] * 2


def test_an_unsigned_request_is_refused_and_nothing_of_it_is_in_kafka(webhooks: Webhooks, log: Log) -> None:
    order = body(ORDER)
    at = now_ms() // 1000
    for response in (
        webhooks.post("shop", order),
        webhooks.shop(order, secret=DESK),
        webhooks.shop(order, X_Shopify_Hmac_SHA256="AAAA"),
        webhooks.post("shop", order, authorization=f"Bearer {webhooks.key}"),
        webhooks.desk(body(CALL), at - 400),
        webhooks.desk(body(CALL), at + 400),
        webhooks.desk(body(CALL), at, signed_at=at - 400),
        webhooks.post("till", body(CALL)),
        webhooks.post("till", body(CALL), authorization=f"Bearer {new_key()}"),
    ):
        assert response.status_code == 401, response.text
        assert response.headers["www-authenticate"]
        assert response.json()["title"] in ("No valid signature", "No valid API key")
    assert log.records() == []
    assert webhooks.desk(body(CALL), at).status_code == 202
    assert [one["event_id"] for one in log.events()] == ["c1"]


def test_the_signature_is_that_of_the_bytes_as_they_came(webhooks: Webhooks) -> None:
    spaced = json.dumps(ORDER, indent=3).encode() + b"\n\n"
    assert webhooks.shop(spaced).status_code == 202
    digest = base64.b64encode(hmac.new(NEW.encode(), spaced, hashlib.sha256).digest()).decode()
    assert webhooks.post("shop", spaced.strip(), X_Shopify_Hmac_SHA256=digest).status_code == 401
    assert webhooks.shop(gzip.compress(spaced), content_encoding="gzip").status_code == 415


def test_a_source_without_a_signature_asks_for_a_key_and_keeps_to_its_bounds(webhooks: Webhooks, log: Log) -> None:
    calls = b"\n".join(body(CALL | {"id": name, "channel": name}) for name in ("store", "web"))
    assert webhooks.post("till", calls, authorization=f"Bearer {webhooks.key}").json()["accepted"] == 2
    answer = webhooks.post("till", calls, authorization=f"Bearer {webhooks.bound_key}").json()
    assert (answer["accepted"], [one["reason"] for one in answer["refused"]]) == (1, ["not_allowed"])
    assert sorted((one["sent_by"], one["channel"]) for one in log.events()) == [
        ("store", "store"), ("tills", "store"), ("tills", "web"),
    ]  # fmt: skip


def test_refused_messages_and_a_body_that_is_none_are_kept(webhooks: Webhooks, log: Log) -> None:
    answer = webhooks.shop(body(ORDER | {"currency": "XYZ"})).json()
    assert (answer["accepted"], [(one["index"], one["reason"]) for one in answer["refused"]]) == (
        1, [(0, "wrong_type")],
    )  # fmt: skip
    assert webhooks.shop(b"hello {").status_code == 400
    letters = {dict(one.headers)[REFUSED]: one for one in log.records() if REFUSED in dict(one.headers)}
    assert json.loads(letters[b"wrong_type"].value)["event_id"] == "order:5001"
    assert letters[b"wrong_type"].key == b"somebody-in-particular"
    assert letters[b"undecodable"].value == b"hello {"
    assert all(dict(one.headers)["touchstream-sent-by"] == b"in/shop" for one in letters.values())


def test_a_source_has_a_path_of_its_own_in_metrics_and_in_the_description(webhooks: Webhooks) -> None:
    client = webhooks.gateway.client
    assert client.post("/v1/in/nowhere", content=b"{}").status_code == 404
    assert client.get("/v1/in/shop").status_code == 405
    webhooks.shop(body(ORDER))
    metrics = client.get("/metrics").text
    assert 'touchstream_gateway_requests_total{path="/v1/in/shop",status="202"}' in metrics
    assert "nowhere" not in metrics
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/in/shop", "/v1/in/desk", "/v1/in/till"} <= set(paths)
    (header,) = paths["/v1/in/shop"]["post"]["parameters"]
    assert (header["name"], paths["/v1/in/till"]["post"]["security"]) == ("x-shopify-hmac-sha256", [{"apiKey": []}])


def test_neither_secrets_nor_signatures_nor_people_are_logged(webhooks: Webhooks) -> None:
    response = webhooks.shop(body(ORDER), secret=OLD)
    webhooks.shop(body(ORDER), secret=DESK)
    log = webhooks.gateway.log()
    said = [OLD, NEW, DESK, "somebody-in-particular", response.request.headers["x-shopify-hmac-sha256"], webhooks.key]
    assert not any(one in log for one in said)


def test_forged_requests_use_up_nothing_of_a_sources_rate(kafka_url: str, webhooks: Webhooks, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_SECRET", NEW)
        settings = settings_of(tmp_path, GATEWAY_EVENTS_PER_SECOND="1")
        with running_gateway(tmp_path, kafka_url, TOPIC, settings) as gateway:
            eventually(gateway.ready)
            slow = Webhooks(gateway, "", "")
            assert {slow.shop(body(ORDER), secret=DESK).status_code for _ in range(20)} == {401}
            assert slow.shop(body([ORDER] * 30)).status_code == 202
            response = slow.shop(body(ORDER))
            assert (response.status_code, int(response.headers["retry-after"]) > 1) == (429, True)


def test_a_gateway_without_its_secrets_does_not_start(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    starting = running_gateway(tmp_path, kafka_url, TOPIC, settings_of(tmp_path))
    with pytest.raises(ChildError, match="the environment has no SHOP_SECRET") as error, starting:
        pass
    assert OLD not in str(error.value)
