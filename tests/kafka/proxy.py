"""A TCP proxy on loopback that does to connections what networks and overloaded servers do to them.

    with Proxy(port_of_the_server) as proxy:
        proxy.behave(Cut())

It passes bytes on until it is told otherwise. It runs in a thread with an event loop of its own.
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from touchstream.deploy.local.ports import LOOPBACK

_CHUNK_BYTES: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_START_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Passing:
    """Every byte arrives, each piece of at most 64 KiB so much later, and in all no more than so many a second."""

    delay_seconds: float = 0.0
    bytes_per_second: float = float("inf")


@dataclass(frozen=True)
class Cut:
    """Connections are reset, new ones as soon as they are made."""


@dataclass(frozen=True)
class Silent:
    """Connections are made, take everything, and never answer."""


@dataclass(frozen=True)
class Refusing:
    """Each HTTP request is read and answered with this status; the server never sees it.

    code: of ClickHouse's error, as it sends it in a header.
    """

    status: int = 500
    code: int | None = None


@dataclass(frozen=True)
class LosingAnswers:
    """The server gets what it is sent and does it; as soon as it answers, the client's connection is reset."""


Behaviour = Passing | Cut | Silent | Refusing | LosingAnswers


class Proxy:
    """Between clients, who connect to `port`, and a server on 127.0.0.1:`target_port`, in a `with` block."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._behaviour: Behaviour = Passing()
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._struck: list[bytes] = []
        self._given_up: list[bytes] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._now(asyncio.start_server(self._serve, LOOPBACK, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        """Where clients connect."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """That are open now."""
        return len(self._clients)

    def struck(self, about: bytes = b"") -> int:
        """How often it has done harm since `behave`, where the client's first bytes held these."""
        return sum(about in sent for sent in list(self._struck))

    def given_up(self, about: bytes = b"") -> int:
        """Connections that the client closed for want of an answer since `behave`, as `struck` counts."""
        return sum(about in sent for sent in list(self._given_up))

    def behave(self, behaviour: Behaviour) -> None:
        """From now on. What was open goes on if both old and new behaviour let bytes pass, and is reset if not."""
        self._now(self._change(behaviour))

    def _now(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_SECONDS)

    async def _change(self, behaviour: Behaviour) -> None:
        both_pass = isinstance(behaviour, Passing) and isinstance(self._behaviour, Passing)
        self._behaviour, self._struck, self._given_up = behaviour, [], []
        if not both_pass:
            self._reset_all()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        self._reset_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for writer in list(self._clients):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            match self._behaviour:
                case Cut():
                    self._struck.append(b"")
                case Silent():
                    await self._swallow(reader)
                case Refusing(status, code):
                    await self._refuse(reader, writer, status, code)
                case _:
                    await self._pass_on(reader, writer)
        except OSError:
            pass  # one of the two has gone
        finally:
            self._clients.discard(writer)
            _reset(writer)

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        behaviour, sent = self._behaviour, b""
        while piece := await reader.read(_CHUNK_BYTES):
            if not sent:
                self._struck.append(piece)
            sent = (sent + piece)[:_CHUNK_BYTES]
        if self._behaviour is behaviour:
            self._given_up.append(sent)

    async def _refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int, code: int | None
    ) -> None:
        with suppress(asyncio.IncompleteReadError):
            request = await _request(reader)
            self._struck.append(request[:_CHUNK_BYTES])
            body = f"Code: {code or 0}. DB::Exception: told to"
            head = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", "Connection: close"]
            if code is not None:
                head.append(f"X-ClickHouse-Exception-Code: {code}")
            writer.write("\r\n".join([*head, "", body]).encode())
            await writer.drain()
            # The client closes, having read it: a reset could overtake the answer.
            await reader.read(1)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _connected(self._target_port) as (answers, server):
            sent = bytearray()
            there = asyncio.ensure_future(self._pump(reader, server, sent))
            back = asyncio.ensure_future(
                self._lose(answers, sent) if isinstance(self._behaviour, LosingAnswers) else self._pump(answers, writer)
            )
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (there, back):
                    pump.cancel()
                await asyncio.gather(there, back, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: bytearray | None = None
    ) -> None:
        while piece := await source.read(_CHUNK_BYTES):
            if seen is not None and len(seen) < _CHUNK_BYTES:
                seen += piece
            if isinstance(behaviour := self._behaviour, Passing) and behaviour != Passing():
                self._struck.append(piece[:1])
                await asyncio.sleep(behaviour.delay_seconds + len(piece) / behaviour.bytes_per_second)
            sink.write(piece)
            await sink.drain()

    async def _lose(self, answers: asyncio.StreamReader, sent: bytearray) -> None:
        if await answers.read(1):
            self._struck.append(bytes(sent))


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield reader, writer
    finally:
        _reset(writer)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One HTTP request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    if length := _LENGTH.search(head):
        return head + await reader.readexactly(int(length[1]))
    if b"chunked" in head.lower():
        body, size = b"", 1
        while size:
            size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
            body += (await reader.readexactly(size + 2))[:size]
        return head + body
    return head


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
