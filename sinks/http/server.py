"""One way to answer HTTP, for the gateway and the page: the socket, the names it is asked by, the server's bounds."""

from __future__ import annotations

import ipaddress
import re
import signal
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from touchstream.sinks.http.protocol import CONNECTIONS_MAX, HEAD_BYTES_MAX, IDLE_SECONDS, protocol_of

_BACKLOG: Final = 512
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:@/\[\]\s]+))(?::\d{0,5})?")


@dataclass(frozen=True)
class HostNames:
    """The host names that requests may bear: a web page may rebind its own name to this machine's address.

    A request that names an address instead of a name can't come from such a page; `addresses` says whether any is
    taken, as where others than this machine reach the server.
    """

    names: frozenset[str]
    addresses: bool

    @classmethod
    def of(cls, host: str, also: Collection[str] = ()) -> HostNames:
        """Those of a server that listens on `host` and is asked for under the names `also`, too."""
        given = (_bare(name) or name.lower() for name in (host, *also))
        return cls(_LOOPBACK | frozenset(given), not is_loopback(host))

    def take(self, host: str) -> bool:
        """Whether a request with this Host is answered."""
        name = _bare(host)
        return name is not None and (name in self.names or (self.addresses and _is_address(name)))


def only_for(names: HostNames, app: ASGIApp, setting: str) -> ASGIApp:
    """An application that answers requests under these names only; setting: where more are named."""
    detail = f"this host name isn't known here; if it is one of this server's, add it to {setting}\n"

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not names.take(hosts[0].decode("latin-1")):
                return await PlainTextResponse(detail, 400)(scope, receive, send)
        return await app(scope, receive, send)

    return wrapped


def config(
    app: ASGIApp,
    *,
    lifespan: Literal["on", "off"],
    stop_seconds: int,
    connections_max: int = CONNECTIONS_MAX,
) -> uvicorn.Config:
    """How uvicorn serves an application; stop_seconds: for requests that have begun, once it is to stop."""
    protocol: Any = protocol_of(connections_max)
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan=lifespan,
        log_config=None,
        log_level="error",  # at the level above, every broken request is a line
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=stop_seconds,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        backlog=_BACKLOG,
    )


@contextmanager
def listening(host: str, port: int, what: str) -> Iterator[socket.socket]:
    """A socket that takes connections; what: `gateway` or `page`. Raises OSError, saying what to do."""
    try:
        # With its protocol named, unlike socket.create_server: else asyncio doesn't know that connections are TCP and
        # leaves Nagle's algorithm on, which holds back the second part of every answer for 40 ms.
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        prefix = f"TOUCHSTREAM_{what.upper()}"
        raise OSError(
            f"the {what} can't listen on {host}:{port}: {error.strerror or error}; set {prefix}_HOST and {prefix}_PORT"
        ) from error
    with listener:
        yield listener


@contextmanager
def stop_signals_held() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it has stopped; the process should end well instead."""
    before = {number: signal.signal(number, lambda *_: None) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def url_of(listener: socket.socket) -> str:
    """Where a socket is reached."""
    address = listener.getsockname()
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it; a name says nothing certain, apart from localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bare(host: str) -> str | None:
    """A Host without its port, in lower case; None for what is no host."""
    match = _HOST.fullmatch(host)
    return (match["v6"] or match["name"]).lower().removesuffix(".") if match else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
