"""An HTTP server on loopback that notes what it is sent, and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Endpoint:
    """`answers`: the statuses of the next requests; 200 to all others."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Answers in the block."""
    noted = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            noted.requests.append(Request(self.path, self.headers, body))
            self.send_response(noted.answers.pop(0) if noted.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield noted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping(beginning: bytes, asks: bool = True) -> Iterator[str]:
    """The URL of a server that answers with a beginning, and then a byte each tenth of a second, without end.

    asks: whether it waits for a request first.
    """
    ended = threading.Event()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            if asks:
                self.request.recv(65_536)
            with suppress(OSError):
                self.request.sendall(beginning)
                while not ended.wait(0.1):
                    self.request.sendall(b"a")

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
