"""The fault proxy does what it says: a failure run rests on it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, RemoteDisconnected

import pytest

from tests.kafka.proxy import Behaviour, Cut, LosingAnswers, Passing, Proxy, Refusing, Silent
from tests.support.http_endpoint import Endpoint, endpoint
from tests.support.stack import eventually
from touchstream.deploy.local.ports import LOOPBACK, free_port

LARGE = bytes(range(256)) * 4096


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends back what it is sent, on the port that it yields."""
    listening = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while received := connection.recv(65_536):
                    connection.sendall(received)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with echo() as port, Proxy(port) as running:
        yield running


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


@contextmanager
def before(server: Endpoint, behaviour: Behaviour) -> Iterator[tuple[Proxy, HTTPConnection]]:
    port = int(server.url.split(":")[2].partition("/")[0])
    with Proxy(port) as proxy:
        proxy.behave(behaviour)
        client = HTTPConnection(LOOPBACK, proxy.port, timeout=30)
        yield proxy, client
        client.close()


def connected(proxy: Proxy) -> socket.socket:
    client = socket.create_connection((LOOPBACK, proxy.port), 30)
    client.sendall(b"hello")
    assert client.recv(5) == b"hello"
    return client


def echoed(client: socket.socket, sent: bytes) -> bytes:
    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
    received = b""
    while len(received) < len(sent):
        received += client.recv(65_536)
    return received


@pytest.mark.parametrize("behaviour", [Passing(), Passing(delay_seconds=0.001, bytes_per_second=50e6)])
def test_every_byte_passes_both_ways_also_slowly(proxy: Proxy, behaviour: Behaviour) -> None:
    proxy.behave(behaviour)
    with connected(proxy) as client:
        assert echoed(client, LARGE) == LARGE


def test_a_delay_is_one_in_each_direction_and_begins_on_open_connections(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.behave(Passing(delay_seconds=0.1))
        started = time.monotonic()
        assert echoed(client, b"slowly") == b"slowly"
        assert time.monotonic() - started >= 0.2
        assert proxy.struck() == 2


def test_a_cut_resets_open_connections_and_new_ones_until_it_is_over(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.behave(Cut())
        with pytest.raises(ConnectionError):
            assert client.recv(1) != b"", "ended, and not reset"
    # One in a hundred is reset while it is being made.
    with pytest.raises(ConnectionError), socket.create_connection((LOOPBACK, proxy.port), 30) as client:
        client.sendall(b"hello")
        assert client.recv(1) != b"", "ended, and not reset"
    assert proxy.struck() == 1
    proxy.behave(Passing())
    connected(proxy).close()


def test_silence_takes_everything_and_ends_with_a_reset(proxy: Proxy) -> None:
    proxy.behave(Silent())
    with socket.create_connection((LOOPBACK, proxy.port), 30) as waiting:
        waiting.sendall(b"hello")
        with socket.create_connection((LOOPBACK, proxy.port), 30) as client:
            client.sendall(b"hello")
            eventually(lambda: proxy.struck(b"hello") == 2)
        eventually(lambda: proxy.given_up(b"hello") == 1)
        proxy.behave(Passing())
        with pytest.raises(ConnectionError):
            assert waiting.recv(1) != b"", "ended, and not reset"
    assert proxy.given_up() == 0


def test_a_refused_request_is_answered_and_never_reaches_the_server(server: Endpoint) -> None:
    with before(server, Refusing(500, code=241)) as (proxy, client):
        for body in (b'"whole"' * 100_000, iter([b'"in ', b'pieces"'])):
            client.request("POST", "/hook", body)
            answer = client.getresponse()
            assert (answer.status, answer.getheader("X-ClickHouse-Exception-Code")) == (500, "241")
            answer.read()
        assert (proxy.struck(b"whole"), proxy.struck(b"pieces"), server.requests) == (1, 1, [])


def test_a_lost_answer_means_that_the_server_has_done_it_and_the_client_does_not_know(server: Endpoint) -> None:
    with before(server, LosingAnswers()) as (proxy, client):
        client.request("POST", "/hook", b'"insert"')
        with pytest.raises((HTTPException, ConnectionError)):
            client.getresponse()
        eventually(lambda: proxy.struck(b"insert") == 1)
        assert [request.body for request in server.requests] == [b'"insert"']
        proxy.behave(Passing())
        client.close()
        client.request("POST", "/hook", b'"again"')
        assert client.getresponse().status == 200


def test_a_server_that_is_away_ends_the_clients_connection() -> None:
    with Proxy(free_port()) as proxy:
        client = HTTPConnection(LOOPBACK, proxy.port, timeout=30)
        with pytest.raises((RemoteDisconnected, ConnectionError)):
            client.request("GET", "/")
            client.getresponse()
