"""A front before a real ClickHouse that answers as told, for a while: what overload, proxies and networks do."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What the front does with an insert instead of passing on ClickHouse's answer.

    code: ClickHouse's error code, None for a proxy's answer without one. status 0: it hangs up. taken: ClickHouse gets
    the insert all the same, and only its answer is lost.
    """

    status: int
    code: int | None = None
    taken: bool = False


@dataclass
class Front:
    """`url` stands for the server's. `answers` are used up, one for each insert; None, and no answer, let it pass."""

    url: str
    answers: deque[Answer | None] = field(default_factory=deque)
    always: Answer | None = None
    """The answer to every insert after `answers`."""
    inserts: int = 0
    answered: Event = field(default_factory=Event)
    """Set once an insert has been answered by the front."""
    held: bytes | None = None
    """An insert that begins so gets no answer while the front is there."""
    holds: Event = field(default_factory=Event)
    """Set once something is held."""
    ended: Event = field(default_factory=Event)

    def answer(self, insert: bytes) -> Answer | None:
        """What to do with the next insert; None: pass it on."""
        if self.held is not None and insert.startswith(self.held):
            self.holds.set()
            self.ended.wait()
            return Answer(0)
        self.inserts += 1
        answer = self.answers.popleft() if self.answers else self.always
        if answer is not None:
            self.answered.set()
        return answer


@contextmanager
def front_of(server_url: str) -> Iterator[Front]:
    """A front on a free loopback port."""
    target = urlsplit(server_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = front.answer(body) if body[:6].upper() == b"INSERT" else None
            if answer is None or answer.taken:
                passed = self._pass_on(body)
            if answer is None:
                self._reply(*passed)
            elif answer.status:
                headers = {} if answer.code is None else {"X-ClickHouse-Exception-Code": str(answer.code)}
                self._reply(answer.status, headers, b"Code: told to")
            else:
                self.close_connection = True

        def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            onward = HTTPConnection(str(target.hostname), target.port)
            skipped = ("connection", "transfer-encoding", "content-length", "date", "server")
            try:
                onward.request(self.command, self.path, body, dict(self.headers))
                response = onward.getresponse()
                headers = {name: value for name, value in response.getheaders() if name.lower() not in skipped}
                return response.status, headers, response.read()
            finally:
                onward.close()

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place = target._replace(netloc=f"{target.netloc.rpartition('@')[0] or 'default'}@127.0.0.1:{server.server_port}")
    front = Front(place.geturl())
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
