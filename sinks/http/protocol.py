"""HTTP/1.1 connections with timeouts: uvicorn's protocol with bounds on what a client may leave open.

uvicorn bounds neither the time for a request's head nor for an answer to be read, waits for the rest of a body that was
refused, and takes heads of any size that come in one piece.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD_BYTES_MAX: Final = 16 * 1024
"""Largest request line with headers, in bytes: three names of a thousand bytes each fit, percent-encoded."""
HEAD_SECONDS: Final = 10.0
"""Timeout for a request's headers, in seconds from the connection or the request's first byte."""
IDLE_SECONDS: Final = 30
"""Timeout between two requests of a connection, in seconds."""
UNREAD_SECONDS: Final = 30.0
"""Timeout for a client to read an answer while it is being sent, in seconds."""
LINGER_SECONDS: Final = 2.0
"""Seconds until a connection closes whose request is answered but not read to its end: time to read the answer."""
CONNECTIONS_MAX: Final = 1_000
"""Most connections: below the usual limit of open files (1,024)."""
STRANGERS_SHARE: Final = 4
"""One connection in this many is reserved for clients that have not sent a request yet."""


class RequestRefused(h11.RemoteProtocolError):
    """A head that is too large."""


class BoundedConnection(h11.Connection):
    """h11's state machine, which measures what has not arrived completely; heads are measured here as well."""

    status = 400
    """What to answer when `next_event` has raised."""

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError."""
        before = None if self.their_state is not h11.IDLE else len(self.trailing_data[0])
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.status = error.error_status_hint
            raise
        if before is not None and isinstance(event, h11.Request):
            head_bytes = before - len(self.trailing_data[0])
            if head_bytes > HEAD_BYTES_MAX:
                self.status = 431
                raise RequestRefused(f"{head_bytes} bytes")
        return event


@dataclass
class Waiting:
    """The connections of a server that wait for their client, those that began first at the front.

    strangers: no request has come, or the last one was refused unread.
    begun: a body is on its way, an answer isn't read, or the next request has not come.
    """

    connections_max: int = CONNECTIONS_MAX
    strangers: dict[BoundedProtocol, None] = field(default_factory=dict)
    begun: dict[BoundedProtocol, None] = field(default_factory=dict)

    def make_room(self, connections: set[Any]) -> bool:
        """Close those that have waited longest, where there are too many connections; False if none waits."""
        while len(connections) >= self.connections_max:
            few = len(self.strangers) <= self.connections_max // STRANGERS_SHARE
            longest = next(iter(self.begun if few and self.begun else self.strangers), None)
            if longest is None:
                return False
            longest.give_up()
        return True


class BoundedProtocol(H11Protocol):
    """One connection. A client that sends at once is served, however many others send nothing."""

    waiting: Waiting  # of the server: set by `protocol_of`

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn: BoundedConnection = BoundedConnection(h11.SERVER, HEAD_BYTES_MAX)
        self.app = _closing_what_is_unread(self.app, self)
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._phase = ""

    @property
    def body_is_unread(self) -> bool:
        """Whether the client has not sent all of its request."""
        return self.conn.their_state is h11.SEND_BODY

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        has_room = self.waiting.make_room(self.connections)
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self._enter("head")
        if not has_room:
            self._answer(503, "all connections are at work; send the request again later")
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._enter("gone")
        self._unset_keepalive_if_required()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        super().connection_lost(exc)
        self.transport.gone()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self.transport.is_closing():
            return
        if self._phase == "idle":
            self._enter("head")
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer has been written."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client doesn't read what is written."""
        super().pause_writing()
        self._enter("unread")
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        self._look()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's
        """Answer what is no HTTP, or over a bound, and close."""
        if self.conn.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            detail = f"a request's line and headers have at most {HEAD_BYTES_MAX} bytes; send fewer or shorter headers"
        else:
            self.conn.status, detail = 400, "the request isn't HTTP/1.1; send a well-formed one"
        self._answer(self.conn.status, detail)

    def give_up(self) -> None:
        """Close: others need the place."""
        self._enter("gone")
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        if self._phase == "gone":
            return
        if self.transport.is_closing():
            self._enter("closing")
        elif self.conn.their_state is h11.SEND_BODY:
            self._enter("body")
        elif self.conn.their_state is not h11.IDLE:
            self._enter("work")
        elif self._phase != "head":
            self._enter("idle")

    def _enter(self, phase: str) -> None:
        if phase == self._phase:
            return
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.waiting.strangers.pop(self, None)
        self.waiting.begun.pop(self, None)
        if phase in ("head", "closing"):
            self.waiting.strangers[self] = None
        if phase in ("body", "unread", "idle"):
            self.waiting.begun[self] = None
        if phase == "head":
            self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._answer(408, f"a request's headers have to be there within {HEAD_SECONDS:g} s; send the request again")
        self._look()

    def _answer(self, status: int, detail: str) -> None:
        """A problem's answer outside of the application; then the connection is closed."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            title = HTTPStatus(status).phrase
            body = json.dumps({"title": title, "status": status, "detail": detail}).encode()
            headers = [
                ("content-type", "application/problem+json"),
                ("content-length", str(len(body))),
                ("x-content-type-options", "nosniff"),
                ("connection", "close"),
                *([("retry-after", "1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=title.encode()),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Lingering:
    """A transport that is closed in a way in which the client can read its answer, and within a bound."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport, self._protocol = transport, protocol
        self._closing = False
        self._cut: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._transport.is_closing():
            return
        unread = self._protocol.conn.their_state is not h11.DONE
        self._cut = self._protocol.loop.call_later(LINGER_SECONDS if unread else UNREAD_SECONDS, self._transport.abort)
        if not unread:
            self._transport.close()
            return
        # Closing a socket that has something to read resets the connection, and the answer with it.
        self._transport.write_eof()
        self._protocol.flow.resume_reading()

    def gone(self) -> None:
        if self._cut is not None:
            self._cut.cancel()


def _closing_what_is_unread(app: Any, protocol: BoundedProtocol) -> ASGIApp:
    """Says with the answer that the connection ends, where the request is refused before its body was read."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and protocol.body_is_unread:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, receive, sending)

    return wrapped


def protocol_of(connections_max: int) -> type[BoundedProtocol]:
    """The protocol of one server, whose connections know of each other."""
    return type("Protocol", (BoundedProtocol,), {"waiting": Waiting(connections_max)})
