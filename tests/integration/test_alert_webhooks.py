"""Webhooks: signed as Standard Webhooks says, and sent to servers that lie in every way."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from starlette.datastructures import Headers

from tests.integration.test_alert_mail import FIRES
from tests.support.http_endpoint import Endpoint, endpoint
from tests.support.mail_server import certificate_for
from touchstream.schemas.alert_destinations import webhook_keys
from touchstream.sinks.notify.notification import NotDelivered, RefusedForGood
from touchstream.sinks.notify.post import Post
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.channels.gateway.signatures import SignatureRefused, Verifier
from touchstream.streams.channels.gateway.sources import signature_forms

pytestmark = pytest.mark.stack

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
AT = 1_796_000_000


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def accepts(hook: Endpoint, secret: str, body: bytes | None = None, at: int = AT) -> bool:
    """Whether a receiver with this secret takes what came last; the gateway's check knows published examples."""
    verifier = Verifier(signature_forms()["standard-webhooks"], [secret])
    request = hook.requests[-1]
    given = Headers({name.lower(): value for name, value in request.headers.items()})
    try:
        verifier.check(verifier.claim(given, at * 1000), request.body if body is None else body)
    except SignatureRefused:
        return False
    return True


def test_a_webhook_is_signed_with_its_key_over_id_time_and_body(hook: Endpoint) -> None:
    Webhook(hook.url, webhook_keys(NEW), lambda: AT + 0.9).send(FIRES)
    (request,) = hook.requests
    assert request.headers["webhook-id"] == request.headers["Idempotency-Key"] == FIRES.key
    assert accepts(hook, NEW)
    assert not accepts(hook, OLD)
    assert not accepts(hook, NEW, request.body + b" ")
    assert not accepts(hook, NEW, at=AT + 600)


def test_while_keys_change_a_receiver_with_either_takes_it(hook: Endpoint) -> None:
    Webhook(hook.url, webhook_keys(f"{NEW} {OLD}"), lambda: AT).send(FIRES)
    assert accepts(hook, OLD)
    assert accepts(hook, NEW)


def test_without_a_key_it_is_not_signed(hook: Endpoint) -> None:
    Webhook(hook.url).send(FIRES)
    assert "webhook-signature" not in hook.requests[0].headers


@contextmanager
def answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a server that answers each request with these bytes, and ends the connection."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65_536)
                self.request.sendall(answer)

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, address = super().get_request()
            try:
                return context.wrap_socket(connection, server_side=True) if context else connection, address
            except OSError:
                connection.close()
                raise

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5\r\n\r\nok",
        OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        OK + b"Content-Length: 99999999999999\r\n\r\n" + b"x" * 1_000_000,
        OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 202\r\n\r\n",
    ],
    ids=["short", "half a chunk", "huge", "no gzip", "100 first", "103 first", "old"],
)
def test_a_status_of_success_takes_it_whatever_follows(answer: bytes) -> None:
    with answering(answer) as url:
        Post(url, deadline_seconds=20)({}, {})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no answer: ServerDisconnectedError"),
        (b"HTTP/1.1 2", "no answer"),
        (OK + b"Content-Length: 5", "no answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "no answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "answers 101"),
        (b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "answers 307"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "no answer"),
        (OK + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", "no answer"),
        (OK + b"Content-Length: -1\r\n\r\n", "no answer"),
        (b"\x16\x03\x01\x00\x00", "no answer"),
        (OK + b"Content-Length: 0\r\n\r\nand more", "no answer"),
    ],
    ids=["nothing", "half a status", "half a head", "100 only", "101", "redirect", "no status", "long head",
         "length below 0", "TLS on HTTP", "longer than it says"],
)  # fmt: skip
def test_an_answer_that_is_no_whole_success_is_tried_again(answer: bytes, said: str) -> None:
    with answering(answer) as url, pytest.raises(NotDelivered, match=said):
        Post(url, deadline_seconds=20)({}, {})


def test_a_server_of_another_name_gets_nothing(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_for("elsewhere.example", tmp_path / "tls.pem"))
    with answering(OK + b"\r\n", context) as url, pytest.raises(NotDelivered, match="Certificate"):
        Webhook(url).send(FIRES)


@pytest.mark.parametrize("status", [413, 422])
def test_only_answers_that_blame_the_content_are_final(hook: Endpoint, status: int) -> None:
    hook.answers = [status]
    with pytest.raises(RefusedForGood):
        Webhook(hook.url).send(FIRES)
