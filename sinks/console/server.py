"""Runs the page until it is told to stop."""

import ipaddress
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog
import uvicorn

from schemas.journey import Journey
from schemas.metrics import Catalogue
from sinks.clickhouse.customer_reader import CustomerReader
from sinks.console.app import VIEWERS_MAX, Console
from sinks.console.drawing import Drawing
from sinks.console.feed import Feed
from sinks.console.reader import CurrentAlerts, Reader

log = structlog.get_logger(__name__)

_CONNECTIONS_MAX: Final = 2 * VIEWERS_MAX
_HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request's line and headers: three names of a thousand bytes each, percent-encoded, fit in."""
_STOP_SECONDS: Final = 6
"""Streams end by themselves within a second, or after four where ClickHouse hangs."""
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    clickhouse_url: str,
    topic: str,
    journeys: Sequence[Journey],
    catalogue: Catalogue,
    host: str,
    port: int,
    notice: str | None = None,
    current_alerts: CurrentAlerts | None = None,
    customers: bool | None = None,
) -> None:
    """Show the page until SIGTERM or Ctrl-C. Starts without ClickHouse, too, and shows its numbers as soon as it can.

    topic: whose rolling rows are shown. port 0: any free one, which the log names. notice: a line at the top.
    current_alerts: the alerts that are firing; None where there are none to ask for.
    customers: whether people are shown, who are nobody else's business; None: on loopback only.

    Raises OSError if the address can't be had.
    """
    people = CustomerReader(clickhouse_url, topic) if _shows_customers(customers, host) else None
    drawing = Drawing(catalogue, notice, customers=people is not None)
    feed = Feed(Reader(clickhouse_url, topic, journeys, catalogue, drawing.board, current_alerts))
    console = Console(feed, drawing, people)
    with _listening(host, port) as listener, _stop_signals_held():
        address = listener.getsockname()
        log.info("page answers", url=f"http://{_in_url(address[0])}:{address[1]}")
        if not _is_loopback(host):
            log.warning("the page has no login: whoever reaches this address sees the metrics", host=host)
            if people is not None:
                log.warning("the page has no login: whoever reaches this address sees all customers", host=host)
        config = uvicorn.Config(
            console.application(_names(host)),
            http="h11",  # it bounds the headers; the faster httptools doesn't
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_SECONDS,
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
        )
        _Server(config, console).run(sockets=[listener])
    log.info("page stopped")


class _Server(uvicorn.Server):
    """Ends the streams when it is told to stop, for it would wait for them."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        self._console.stop()
        super().handle_exit(sig, frame)


def _names(host: str) -> list[str]:
    """The host names that requests may bear: any where others may reach it, for then a proxy has names of its own."""
    return ["localhost", "127.0.0.1", "::1", "[::1]", host] if _is_loopback(host) else ["*"]


def _shows_customers(wanted: bool | None, host: str) -> bool:
    return _is_loopback(host) if wanted is None else wanted


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"the page can't listen on {host}:{port}: {error.strerror or error};"
            " set TOUCHSTREAM_PAGE_HOST and TOUCHSTREAM_PAGE_PORT"
        ) from error
    with listener:
        yield listener


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it has stopped; the process should end well instead."""
    before = {number: signal.signal(number, lambda *_: None) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
