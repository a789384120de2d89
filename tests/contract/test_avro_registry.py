"""The schema registry's REST, spoken with a small registry on the loopback interface that can be told to fail."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from touchstream.schemas.codec import SCHEMA_TEXT, WriterSchemas, encode_confluent
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.registry import HttpSchemaRegistry, RegistryUnavailable, SchemaRefused
from touchstream.schemas.touchpoint import Reason, Touchpoint

EVENT = Touchpoint(event_id="e", occurred_at=1, channel="c", touchpoint="t")


class Registry(ThreadingHTTPServer):
    """Keeps schemas in memory. `answer`, where set, is given to every request instead: a status and a body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.schemas: dict[int, str] = {}
        self.answer: tuple[int, bytes] | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def reply(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        if method == "POST":
            text = json.loads(body)["schema"]
            known = [number for number, schema in self.schemas.items() if schema == text]
            number = known[0] if known else len(self.schemas) + 1
            self.schemas[number] = text
            return 200, {"id": number}
        number = int(path.rpartition("/")[2])
        if number in self.schemas:
            return 200, {"schema": self.schemas[number]}
        return 404, {"error_code": 40403, "message": "Schema not found"}


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.requests.append((self.command, self.path, self.headers.get("Authorization")))
        if self.server.answer:
            status, content = self.server.answer
        else:
            status, answer = self.server.reply(self.command, self.path, body)
            content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_registered_schema_is_found_by_its_number_and_asked_for_once(registry: Registry) -> None:
    client = HttpSchemaRegistry(registry.url)
    number = client.register("touchpoints-value", SCHEMA_TEXT)
    assert client.register("touchpoints-value", SCHEMA_TEXT) == number
    writers = WriterSchemas(client)
    for _ in range(3):
        frame, refused = decode_batch([encode_confluent(EVENT, number)] * 2, writers)
        assert (frame.height, refused) == (2, [])
    assert [path for method, path, _ in registry.requests if method == "GET"] == [f"/schemas/ids/{number}"]
    assert registry.requests[0][1] == "/subjects/touchpoints-value/versions"


def test_a_number_that_the_registry_does_not_know_is_an_unknown_schema_and_asked_for_once(registry: Registry) -> None:
    writers = WriterSchemas(HttpSchemaRegistry(registry.url))
    for _ in range(3):
        _, refused = decode_batch([encode_confluent(EVENT, 99)], writers)
        assert [refusal.reason for refusal in refused] == [Reason.UNKNOWN_SCHEMA]
    assert len(registry.requests) == 1


def test_a_number_below_zero_is_unknown_without_asking(registry: Registry) -> None:
    _, refused = decode_batch([b"\x00\xff\xff\xff\xff\x00"], WriterSchemas(HttpSchemaRegistry(registry.url)))
    assert [refusal.reason for refusal in refused] == [Reason.UNKNOWN_SCHEMA]
    assert registry.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        (500, b'{"error_code": 50001, "message": "backend store"}'),
        (503, b""),
        (401, b'{"error_code": 401}'),
        (404, b"<html>not here</html>"),
        (404, b"{}"),
        (200, b"<html>a login page</html>"),
        (200, b"{}"),
        (200, b'{"schema": 5}'),
        (200, b"[" * 100_000),
        (302, b""),
    ],
    ids=lambda answer: f"{answer[0]} {answer[1][:20]!r}",
)
def test_an_answer_that_says_nothing_about_the_schema_refuses_no_event(
    registry: Registry, answer: tuple[int, bytes]
) -> None:
    registry.answer = answer
    client = HttpSchemaRegistry(registry.url)
    with pytest.raises(RegistryUnavailable, match=str(answer[0])):
        decode_batch([encode_confluent(EVENT, 7)], WriterSchemas(client))
    with pytest.raises(RegistryUnavailable):
        client.register("touchpoints-value", SCHEMA_TEXT)
    registry.answer = None
    registry.schemas[7] = SCHEMA_TEXT
    frame, _ = decode_batch([encode_confluent(EVENT, 7)], WriterSchemas(client))
    assert frame.height == 1


def test_a_registry_that_is_not_there_refuses_no_event(registry: Registry) -> None:
    url = registry.url
    registry.server_close()
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1"):
        HttpSchemaRegistry(url, timeout_seconds=0.5).schema(7)


@pytest.mark.parametrize("status", [409, 422])
def test_a_schema_that_the_registry_refuses_is_said_to_be_refused(registry: Registry, status: int) -> None:
    registry.answer = (status, b'{"error_code": 409, "message": "incompatible with an earlier schema"}')
    with pytest.raises(SchemaRefused, match="incompatible with an earlier schema"):
        HttpSchemaRegistry(registry.url).register("touchpoints-value", SCHEMA_TEXT)


def test_user_and_password_of_the_url_are_sent_and_never_shown(registry: Registry) -> None:
    client = HttpSchemaRegistry(registry.url.replace("http://", "http://me:s3cret@"))
    registry.answer = (500, b"")
    with pytest.raises(RegistryUnavailable) as raised:
        client.schema(1)
    assert registry.requests[0][2] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "localhost:8081", "ftp://localhost", "http://"])
def test_an_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="http://host:8081"):
        HttpSchemaRegistry(url)
