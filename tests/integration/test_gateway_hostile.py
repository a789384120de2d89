"""Clients that hold connections and bodies open: whoever sends at once is served all the same."""

from __future__ import annotations

import json
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.gateway_process import PATH, RunningGateway, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.gateway.places import REQUESTS_AT_ONCE_MAX

pytestmark = pytest.mark.any_kafka

EVENT = {
    "event_id": "e",
    "occurred_at": now_ms(),
    "customer_id": "c",
    "channel": "web",
    "touchpoint": "t",
}
BODY = json.dumps(EVENT).encode()
HELD = 2_000
GOOD, BAD = new_key(), new_key()
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"


@pytest.fixture(scope="module")
def gateway(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One with two keys."""
    create_topic(kafka_url, "gateway-hostile")
    directory = tmp_path_factory.mktemp("hostile")
    keys = directory / "keys"
    keys.write_text(f"{key_line('good', GOOD)}\n{key_line('bad', BAD)}\n")
    settings = {"GATEWAY_KEYS_FILE": str(keys)}
    with running_gateway(directory, kafka_url, "gateway-hostile", settings) as running:
        eventually(running.ready)
        yield running


@pytest.fixture(scope="module")
def without_keys(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    create_topic(kafka_url, "gateway-hostile")
    with running_gateway(tmp_path_factory.mktemp("plain"), kafka_url, "gateway-hostile") as running:
        eventually(running.ready)
        yield running


@contextmanager
def held(gateway: RunningGateway, *firsts: bytes, connections: int = HELD) -> Iterator[list[socket.socket]]:
    """So many connections that have each sent one of these, and nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < connections + 500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 500), hard))
    address = urlsplit(gateway.url)
    with ExitStack() as stack:
        sockets = []
        for number in range(connections):
            sockets.append(stack.enter_context(socket.create_connection((address.hostname, address.port or 80))))
            with suppress(ConnectionError):  # others need its place
                sockets[-1].sendall(firsts[number % len(firsts)])
        yield sockets


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    connection.settimeout(60)
    while chunk := connection.recv(65_536):
        found += chunk
    return found


def send(gateway: RunningGateway, *parts: bytes) -> bytes:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port or 80)) as connection:
        for part in parts:
            connection.sendall(part)
        return answer(connection)


NOTHING = b""
HALF_A_HEAD = b"POST /v1/touchpoints HTTP/1.1\r\nHost: loc"
HALF_A_BODY = f"{HEAD}Authorization: Bearer {BAD}\r\n\r\n[".encode()
HALF_A_BODY_AND_NO_KEY = f"{HEAD}\r\n[".encode()
IDLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
A_BODY_FOR_NONE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n["
ALL_KINDS = (NOTHING, HALF_A_HEAD, HALF_A_BODY, HALF_A_BODY_AND_NO_KEY, IDLE, A_BODY_FOR_NONE)


@pytest.mark.parametrize(
    "firsts",
    [
        (HALF_A_HEAD,),
        (HALF_A_BODY,),
        (NOTHING, HALF_A_HEAD, HALF_A_BODY, HALF_A_BODY_AND_NO_KEY, IDLE, A_BODY_FOR_NONE),
    ],
    ids=["half a head", "half a body", "all kinds"],
)
def test_a_client_is_served_while_others_hold_connections(firsts: tuple[bytes, ...], gateway: RunningGateway) -> None:
    with held(gateway, *firsts):
        gateway.client.timeout = 5
        assert gateway.client.get("/healthz").status_code == 200
        response = gateway.post(BODY, authorization=f"Bearer {GOOD}", connection="close")
        assert (response.status_code, response.json()["accepted"]) == (202, 1)


def test_bodies_that_trickle_block_no_one_where_all_are_one_sender(without_keys: RunningGateway) -> None:
    with held(without_keys, f"{HEAD}\r\n[".encode(), connections=4 * REQUESTS_AT_ONCE_MAX):
        assert without_keys.post(BODY).status_code == 202


def test_large_bodies_that_never_end_give_their_room_to_others(without_keys: RunningGateway) -> None:
    half = HEAD.replace("1000000", "5000000").encode() + b"\r\n" + b" " * 4_900_000
    with held(without_keys, half, connections=40) as sockets:
        assert without_keys.post(b" " * 1_000_000 + BODY).status_code == 202
        assert b"503" in answer(sockets[0]).split(b"\r\n")[0]


def test_a_head_that_is_too_large_is_refused_in_one_piece_or_many(gateway: RunningGateway) -> None:
    for size in (17_000, 70_000, 200_000, 1_000_000):
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        one = head + b"X-Large: " + b"x" * size + b"\r\n\r\n"
        many = head + b"X: y\r\n" * (size // 6) + b"\r\n"
        path = head.replace(b"healthz", b"healthz?" + b"x" * size) + b"\r\n"
        for text in (one, many, path):
            with suppress(ConnectionError):
                assert send(gateway, text).startswith(b"HTTP/1.1 431 "), size
        assert send(gateway, one[:10_000], one[10_000:15_000], one[15_000:20_000]).startswith(b"HTTP/1.1 431 ")
    fits = head + b"X-Large: " + b"x" * 16_000 + b"\r\n\r\n"
    assert send(gateway, fits).startswith(b"HTTP/1.1 200 ")


def test_bytes_that_are_no_http_are_answered_with_a_problem(gateway: RunningGateway) -> None:
    for text in (b"no\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
        status, _, body = send(gateway, text).partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["status"] == 400
    assert b"Traceback" not in gateway.log().encode()


def test_a_refusal_can_be_read_by_a_client_that_is_still_sending(gateway: RunningGateway) -> None:
    body = b" " * 4_000_000
    head = HEAD.replace("1000000", str(len(body) + 1)).encode() + b"\r\n"
    found = send(gateway, head, body, b"x")
    assert found.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in found.lower()


def test_pipelined_requests_are_answered_in_their_order(gateway: RunningGateway) -> None:
    text = "".join(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in ("/healthz", "/nowhere", "/openapi.json")
    ).encode()
    found = send(gateway, text + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+) ", found) == [
        b"200", b"404", b"200", b"200",
    ]  # fmt: skip


def test_a_key_speaks_of_what_its_line_says_until_it_ends(kafka_url: str, tmp_path: Path) -> None:
    create_topic(kafka_url, "gateway-hostile")
    hexes = {name: new_key() for name in ("bound", "ended")}
    line = key_line("bound", hexes["bound"]) + " channels=web,the%20app actions=contact,Purchase"
    file = tmp_path / "keys"
    file.write_text(f"{line}\n{key_line('ended', hexes['ended'])} expires=2020-01-01\n")
    with running_gateway(tmp_path, kafka_url, "gateway-hostile", {"GATEWAY_KEYS_FILE": str(file)}) as gateway:
        eventually(gateway.ready)
        events = [
            EVENT,
            EVENT | {"channel": "the app", "action": "PURCHASE"},
            EVENT | {"channel": "store"},
            EVENT | {"action": "identify"},
        ]
        answer = gateway.post(events, authorization=f"Bearer {hexes['bound']}").json()
        assert answer["accepted"] == 2
        assert [(one["index"], one["reason"]) for one in answer["refused"]] == [(2, "not_allowed"), (3, "not_allowed")]
        assert "channel is 'store'; this key may send 'the app', 'web'" in answer["refused"][0]["detail"]
        assert "action is 'identify'" in answer["refused"][1]["detail"]
        ended = gateway.post(BODY, authorization=f"Bearer {hexes['ended']}")
        assert (ended.status_code, "expired at 2020-01-02" in ended.json()["detail"]) == (401, True)
        file.write_text("")
        assert gateway.post(BODY, authorization=f"Bearer {hexes['bound']}").status_code == 401
        file.unlink()
        assert gateway.client.get("/readyz").json() == {
            "state": "keys",
            "detail": "the file of API keys can't be read",
        }
        assert "touchstream_gateway_keys_stale_seconds 0.0\n" not in gateway.client.get("/metrics").text


def test_a_broken_element_takes_no_good_ones_along(without_keys: RunningGateway) -> None:
    good = BODY.decode()
    wrong = (
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a": -Infinity}',
        '{"a" 1}',
        '{"a": "\udcff"}',
        '{"a": 01}',
        "{'a': 1}",
    )
    for text in wrong:
        element = text.encode("utf-8", "surrogateescape")
        array = b"[" + b",".join([good.encode(), element, good.encode()]) + b"]"
        lines = b"\r".join([element, good.encode(), good.encode()])
        for body, index in ((array, 1), (lines, 0)):
            answer = without_keys.post(body)
            assert answer.status_code == 202, (text, answer.text)
            assert answer.json()["accepted"] == 2
            (refused,) = answer.json()["refused"]
            assert (refused["index"], refused["reason"]) == (index, "undecodable"), text
    assert without_keys.post(good.encode("utf-16")).json()["detail"].startswith("it is UTF-16")
