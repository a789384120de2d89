"""Who may send, how much at once and how fast; and that nobody else's secrets show."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway_process import PATH, Log, RunningGateway, create_topic, running_gateway, send_signal
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.body import EVENTS_MAX
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.gateway.places import REQUESTS_AT_ONCE_MAX
from touchstream.streams.process.settings import Settings

pytestmark = pytest.mark.any_kafka

NOW_MS = now_ms()
EVENT: dict[str, Any] = {
    "event_id": "e",
    "occurred_at": NOW_MS,
    "customer_id": "somebody-in-particular",
    "channel": "web",
    "touchpoint": "t",
}
BODY = json.dumps(EVENT).encode()
MIB = 2**20


@pytest.fixture(scope="module")
def topic(kafka_url: str) -> str:
    create_topic(kafka_url, "gateway-limits")
    return "gateway-limits"


@pytest.fixture(scope="module")
def plain(kafka_url: str, topic: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with the default settings."""
    with running_gateway(tmp_path_factory.mktemp("plain"), kafka_url, topic) as gateway:
        eventually(gateway.ready)
        yield gateway


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_only_who_has_a_key_may_send(kafka_url: str, topic: str, tmp_path: Path) -> None:
    shop, app = new_key(), new_key()
    file = tmp_path / "keys"
    file.write_text(f"{key_line('shop', shop)}\n{key_line('app', app)}\n")
    with running_gateway(tmp_path, kafka_url, topic, {"GATEWAY_KEYS_FILE": str(file)}) as gateway:
        eventually(gateway.ready)
        assert [gateway.post(BODY, **bearer(key)).status_code for key in (shop, app)] == [202, 202]
        assert gateway.post(BODY, authorization=f"bearer  {shop}", origin="https://shop.example").status_code == 202
        for authorization in ("", "Bearer", shop, f"Basic {shop}", "Bearer shop", f"Bearer {new_key()}"):
            response = gateway.post(BODY, authorization=authorization)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert gateway.client.get("/openapi.json").json()["components"]["securitySchemes"]
        file.write_text(f"{key_line('app', app)}\n")
        assert [gateway.post(BODY, **bearer(key)).status_code for key in (shop, app)] == [401, 202]
        log = gateway.log()
    assert not any(secret in log for secret in (shop, app, "somebody-in-particular"))


def test_without_keys_a_web_page_may_not_send(plain: RunningGateway) -> None:
    assert plain.post(BODY, origin="https://evil.example").status_code == 403
    assert plain.post(BODY, origin="null", content_type="text/plain").status_code == 403
    assert plain.post(BODY).status_code == 202


def test_a_body_of_five_mebibytes_is_taken_and_one_of_a_byte_more_is_not(plain: RunningGateway) -> None:
    limit = Settings().gateway_body_bytes_max
    assert limit == 5 * MIB
    padded = BODY + b" " * (limit - len(BODY))

    def in_chunks(body: bytes) -> Iterator[bytes]:
        yield from (body[at : at + 100_000] for at in range(0, len(body), 100_000))

    for body, status in ((padded, 202), (padded + b" ", 413)):
        assert plain.post(body).status_code == status
        assert plain.client.post(PATH, content=in_chunks(body)).status_code == status
        assert plain.post(gzip.compress(body), content_encoding="gzip").status_code == status
    assert plain.post(gzip.compress(bytes(200 * MIB)), content_encoding="gzip").status_code == 413
    assert plain.post(b" " * 6 * MIB).json()["detail"].startswith("a body has at most 5242880 bytes")


def test_the_number_of_events_and_the_depth_are_bounded(plain: RunningGateway) -> None:
    assert plain.post(b"[" + b"1," * EVENTS_MAX + b"1]").status_code == 413
    assert plain.post(b"1\n" * (EVENTS_MAX + 1), content_type="application/x-ndjson").status_code == 413
    assert plain.post(b"[" * MIB + b"]" * MIB).status_code == 400
    assert plain.post(b"[" + b"0," * (2 * MIB) + b"0]").status_code == 413
    assert plain.post(b'{"attributes":' * 2000 + b"1" + b"}" * 2000).status_code == 400


def test_headers_are_bounded(plain: RunningGateway) -> None:
    assert plain.post(BODY, x_large="x" * 8_000).status_code == 202
    connection = http.client.HTTPConnection(plain.url.removeprefix("http://"))
    with suppress(BrokenPipeError, ConnectionResetError):  # it doesn't listen to the end
        connection.request("POST", PATH, BODY, {"X-Large": "x" * 4 * MIB})
        assert connection.getresponse().status == 431
    connection.close()
    assert plain.post(BODY).status_code == 202


def test_who_sends_too_fast_is_told_when_to_come_back_and_others_are_not_held_up(
    kafka_url: str, topic: str, tmp_path: Path
) -> None:
    fast, slow = new_key(), new_key()
    file = tmp_path / "keys"
    file.write_text(f"{key_line('fast', fast)}\n{key_line('slow', slow)}\n")
    settings = {"GATEWAY_KEYS_FILE": str(file), "GATEWAY_EVENTS_PER_SECOND": "100"}
    with running_gateway(tmp_path, kafka_url, topic, settings) as gateway:
        eventually(gateway.ready)
        assert gateway.post([EVENT] * 400, **bearer(fast)).status_code == 202
        response = gateway.post(BODY, **bearer(fast))
        assert response.status_code == 429
        assert 1 <= int(response.headers["retry-after"]) <= 3
        assert gateway.post(BODY, **bearer(slow)).status_code == 202
        eventually(lambda: gateway.post(BODY, **bearer(fast)).status_code == 202)


def test_bodies_that_come_slowly_hold_no_place_and_are_finished(plain: RunningGateway) -> None:
    async def story() -> list[int]:
        finish = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield BODY
            await finish.wait()
            yield b"\n"

        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=plain.url, timeout=60, limits=limits) as client:
            at_work = [asyncio.create_task(client.post(PATH, content=slow())) for _ in range(2 * REQUESTS_AT_ONCE_MAX)]
            while any(task.done() for task in at_work) or (await client.post(PATH, content=BODY)).status_code != 202:
                pass
            assert "touchstream_gateway_at_work 0.0" in (await client.get("/metrics")).text
            finish.set()
            return [response.status_code for response in await asyncio.gather(*at_work)]

    assert asyncio.run(story()) == [202] * 2 * REQUESTS_AT_ONCE_MAX


def test_a_caller_who_goes_away_gives_its_place_back(plain: RunningGateway) -> None:
    gone = f'touchstream_gateway_requests_total{{path="{PATH}",status="499"}} {REQUESTS_AT_ONCE_MAX}.0'
    for _ in range(REQUESTS_AT_ONCE_MAX):
        connection = http.client.HTTPConnection(plain.url.removeprefix("http://"))
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        connection.close()
    eventually(lambda: gone in plain.client.get("/metrics").text)
    assert plain.post(BODY).status_code == 202


def test_a_request_that_has_begun_is_answered_before_the_gateway_stops(
    kafka_url: str, unique_name: str, tmp_path: Path
) -> None:
    create_topic(kafka_url, unique_name)
    with running_gateway(tmp_path, kafka_url, unique_name) as gateway:
        eventually(gateway.ready)
        connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=60)
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(len(BODY)))
        connection.endheaders(BODY[:10])
        eventually(lambda: gateway.client.get("/healthz").status_code == 200)
        send_signal(gateway.process, signal.SIGTERM)
        eventually(lambda: refuses_connections(gateway.url))
        connection.send(BODY[10:])
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["accepted"]) == (202, 1)
        connection.close()
        eventually(lambda: gateway.process.pid is None)
        assert "gateway stopped" in gateway.log()
    assert [found["event_id"] for found in Log(kafka_url, unique_name).events()] == ["e"]


def refuses_connections(url: str) -> bool:
    """False also for a connection that was taken just before the gateway stopped and is closed unanswered."""
    try:
        httpx.get(f"{url}/healthz")
    except httpx.TransportError as error:
        return isinstance(error, httpx.ConnectError)
    return False
