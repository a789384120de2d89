"""`/metrics`, `/healthz` and `/readyz` from threads of their own: they answer when the event loop hangs."""

import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

import msgspec
import structlog
from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from touchstream.streams.process.health import ProcessHealth

log = structlog.get_logger(__name__)

_LOST_LOOK_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 10
"""Seconds without data after which a client is disconnected."""

Headers = list[tuple[str, str]]
StartResponse = Callable[[str, Headers], Any]


def serve_health(
    host: str, port: int, health: Callable[[], ProcessHealth], end: Callable[[], None] | None = None
) -> int:
    """Serve health checks until the process ends; returns the port. Raises OSError, saying what to do.

    port 0: any free one. health: asked for /readyz, which answers 503 unless it is ready, and for /healthz, which
    answers 503 once it is stuck for good. end: called then to end the process, also without any request.
    """
    try:
        server = make_server(host, port, _application(health), ThreadingWSGIServer, _Quiet)
    except OSError as error:
        raise OSError(
            f"metrics can't be served on {host}:{port}: {error.strerror or error};"
            " set TOUCHSTREAM_METRICS_HOST and TOUCHSTREAM_METRICS_PORT"
        ) from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    if end is not None:
        threading.Thread(target=_end_when_lost, args=(health, end), name="lost", daemon=True).start()
    return server.server_port


def _end_when_lost(health: Callable[[], ProcessHealth], end: Callable[[], None]) -> None:
    while not (now := health()).is_lost:
        time.sleep(_LOST_LOOK_SECONDS)
    log.error("this process is stuck and ends, to be started again", state=now.state, detail=now.detail)
    end()


class _Quiet(WSGIRequestHandler):
    """Logs nothing, and disconnects silent clients."""

    timeout = _SILENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """A request; they come every few seconds."""


def _application(health: Callable[[], ProcessHealth]) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    prometheus = make_wsgi_app()

    def application(request: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = request["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = prometheus(request, start)
            return answer
        if request["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _json(start, HTTPStatus.METHOD_NOT_ALLOWED, {"detail": "only GET"})
        if path == "/healthz":
            if (now := health()).is_lost:
                return _json(start, HTTPStatus.SERVICE_UNAVAILABLE, now.document())
            return _json(start, HTTPStatus.OK, {"state": "alive"})
        if path == "/readyz":
            now = health()
            return _json(start, HTTPStatus.OK if now.is_ready else HTTPStatus.SERVICE_UNAVAILABLE, now.document())
        return _json(start, HTTPStatus.NOT_FOUND, {"detail": "there are /metrics, /healthz and /readyz"})

    return application


def _json(start: StartResponse, status: HTTPStatus, content: dict[str, Any]) -> Iterable[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [msgspec.json.encode(content)]
