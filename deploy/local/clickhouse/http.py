"""ClickHouse's HTTP interface over the engine in this process: for clickhouse-connect, curl and Grafana alike.

Stateless: `session_id` is taken and ignored, so SET and temporary tables last for one request. Not there: native
compression (`compress=1`), `client_protocol_version`, progress headers, users other than `default`.
"""

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from touchstream.deploy.local.clickhouse.body import BODY_BYTES_MAX, Buffer, Compressor, TruncatedBodyError
from touchstream.deploy.local.clickhouse.engine import Engine, EngineAnswer
from touchstream.deploy.local.clickhouse.errors import ClickHouseError
from touchstream.deploy.local.clickhouse.request import Request, read_request
from touchstream.deploy.local.ports import LOOPBACK

log = structlog.get_logger(__name__)

QUERIES_MAX = 64
"""Most queries at a time; further ones wait."""
CONNECTIONS_WAITING_MAX = 128
IDLE_SECONDS = 300.0
_PAGES = ("/", "/ping", "/replicas_status")
_TEXT = "text/plain; charset=UTF-8"
_CONTENT_TYPES = {
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TSV": "text/tab-separated-values; charset=UTF-8",
}
_CONTENT_TYPES_BY_START = (
    ("JSON", "application/json; charset=UTF-8"),
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    *((name, "application/octet-stream") for name in ("Native", "RowBinary", "Arrow", "Parquet", "ORC", "Avro")),
    ("", _TEXT),
)


_NOT_PRINTABLE = re.compile(r"[^ -~]")


class ClickHouseServer(ThreadingHTTPServer):
    """A thread per connection, on 127.0.0.1. Port 0 is one that the system chooses: see `server_port`.

    shared: with the parent, which keeps the port (`ports.hold`).
    """

    daemon_threads = True
    request_queue_size = CONNECTIONS_WAITING_MAX

    def __init__(self, engine: Engine, port: int, password: str, *, shared: bool = False) -> None:
        self.allow_reuse_port = shared
        super().__init__((LOOPBACK, port), _Handler)
        self.engine, self.password = engine, password
        self.slots = threading.BoundedSemaphore(QUERIES_MAX)

    def queries_done(self, seconds: float) -> bool:
        """Let no query begin any more; False if some still run after `seconds`."""
        deadline = time.monotonic() + seconds
        return all(self.slots.acquire(timeout=max(0.0, deadline - time.monotonic())) for _ in range(QUERIES_MAX))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ClickHouseServer
    protocol_version = "HTTP/1.1"
    server_version = "touchstream-local-clickhouse"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        try:
            request = read_request(self.command, self.path, self.headers, self.rfile, self.server.password)
        except ClickHouseError as error:
            # What the client still sends was not read: this connection can't go on.
            self.close_connection = True
            self._send_error(error, {})
            return
        if request.text is None:
            self._send_page(request)
        else:
            self._run(request)
        self._read_rest(request)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """A line for every request would drown the errors, which are logged where they are answered."""

    def _run(self, request: Request) -> None:
        engine = self.server.engine
        headers = {
            "X-ClickHouse-Server-Display-Name": engine.display_name,
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Timezone": request.timezone or engine.timezone,
        }
        try:
            with self.server.slots, engine.run(request.query()) as answer:
                if answer.format is not None:
                    headers["X-ClickHouse-Format"] = answer.format
                    headers["Content-Type"] = _content_type(answer.format)
                headers["X-ClickHouse-Summary"] = json.dumps(answer.summary, separators=(",", ":"))
                if answer.streamed and self.request_version != "HTTP/1.0":
                    self._send_stream(headers, answer, request.compressor())
                else:
                    self._send_whole(headers, answer, request.compressor())
        except ClickHouseError as error:
            # The client may be sending still, and reads the answer only then.
            self._read_rest(request)
            self._send_error(error, headers)

    def _send_whole(
        self, headers: Mapping[str, str], answer: EngineAnswer, encoding: tuple[str, Compressor] | None
    ) -> None:
        pieces = map(bytes, answer.pieces) if answer.streamed else answer.pieces  # a stream's don't last
        body: list[Buffer] = [*_encoded(pieces, encoding)]
        self._send_head(HTTPStatus.OK, headers, encoding, length=sum(len(piece) for piece in body))
        for piece in body:
            self._write(piece)

    def _send_stream(
        self, headers: Mapping[str, str], answer: EngineAnswer, encoding: tuple[str, Compressor] | None
    ) -> None:
        """Chunks as the rows come. An error then is written into the body, as ClickHouse does since 25.11."""
        tag = secrets.token_hex(8)
        self._send_head(HTTPStatus.OK, {**headers, "X-ClickHouse-Exception-Tag": tag}, encoding, length=None)
        for piece in _encoded(_with_exception(answer.pieces, tag), encoding):
            if len(piece) > 0:
                self._write(b"%x\r\n" % len(piece))
                self._write(piece)
                self._write(b"\r\n")
        self._write(b"0\r\n\r\n")

    def _send_error(self, error: ClickHouseError, headers: Mapping[str, str]) -> None:
        log.info("refused", code=int(error.code), error=error.text[:500])
        body = f"{error.text}\n".encode(errors="replace")
        kept = {name: headers[name] for name in headers if name not in ("X-ClickHouse-Format", "Content-Type")}
        code = {"X-ClickHouse-Exception-Code": str(int(error.code)), "Content-Type": _TEXT}
        self._send_head(error.status, kept | code, None, length=len(body))
        self._write(body)

    def _send_page(self, request: Request) -> None:
        known = request.path in _PAGES
        body = b"Ok.\n" if known else f"There is no handle {request.path}\n".encode(errors="replace")
        status = HTTPStatus.OK if known else HTTPStatus.NOT_FOUND
        self._send_head(status, {"Content-Type": _TEXT}, None, length=len(body))
        self._write(body)

    def _send_head(
        self,
        status: HTTPStatus,
        headers: Mapping[str, str],
        encoding: tuple[str, Compressor] | None,
        length: int | None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, _NOT_PRINTABLE.sub("?", value))  # query_id is the client's
        if encoding is not None:
            self.send_header("Content-Encoding", encoding[0])
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def _write(self, piece: Buffer) -> None:
        if self.command != "HEAD":
            self.wfile.write(piece)

    def _read_rest(self, request: Request) -> None:
        """Come to the end of the body: the next request begins behind it. A body without end ends the connection."""
        total = 0
        try:
            for piece in request.raw:
                total += len(piece)
                if total > BODY_BYTES_MAX:
                    self.close_connection = True
                    return
        except TruncatedBodyError:
            self.close_connection = True


def _content_type(name: str) -> str:
    return _CONTENT_TYPES.get(name) or next(kind for start, kind in _CONTENT_TYPES_BY_START if name.startswith(start))


def _encoded(pieces: Iterator[Buffer], encoding: tuple[str, Compressor] | None) -> Iterator[Buffer]:
    if encoding is None:
        yield from pieces
        return
    compressor = encoding[1]
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _with_exception(pieces: Iterator[Buffer], tag: str) -> Iterator[Buffer]:
    try:
        yield from pieces
    except ClickHouseError as error:
        log.info("failed after its first rows", code=int(error.code), error=error.text[:500])
        text = f"{error.text}\n".encode(errors="replace")
        marks = b"\r\n__exception__\r\n", tag.encode()
        yield b"%b%b\r\n%b%d %b%b" % (marks[0], marks[1], text, len(text), marks[1], marks[0])
