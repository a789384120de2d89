"""The page's HTTP application (ASGI): the page, its stream of events, and what it loads. Read-only."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.http.scrape import scraped
from touchstream.sinks.page import metrics
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.feed import FRESH_SECONDS, Feed
from touchstream.sinks.page.people import People
from touchstream.sinks.page.selection import Selection, SelectionError

VIEWERS_MAX: Final = 500
"""Most streams at once. A viewer costs some comparisons a second, and the board's HTML when there are newer numbers."""

_HEALTH_SECONDS: Final = 1.0
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
)


class Console:
    """The routes, and how many are watching."""

    def __init__(self, feed: Feed, drawing: Drawing, customers: CustomerReader | None = None) -> None:
        self._feed, self._drawing = feed, drawing
        self._people = People(customers, drawing)
        self._viewers = 0
        self._stopping = False

    def stop(self) -> None:
        """End all streams within a second."""
        self._stopping = True

    def application(self) -> ASGIApp:
        """The application; under which names it may be asked for is the server's to check."""
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/events", self._events),
                *self._people.routes(),
                Route("/healthz", self._healthz),
                Route("/metrics", scraped),
                Mount("/static", StaticFiles(packages=[("touchstream.sinks.page", "static")])),
            ],
            exception_handlers={SelectionError: _wrong_selection},
        )
        return _with_headers(app)

    async def _page(self, request: Request) -> Response:
        selection = Selection.of(request.query_params)
        view = await self._feed.view(selection)
        return HTMLResponse(self._drawing.page(selection, view.board, view.health))

    async def _events(self, request: Request) -> Response:
        selection = Selection.of(request.query_params)
        if self._viewers >= VIEWERS_MAX:
            raise HTTPException(503, f"{VIEWERS_MAX} pages are open already; close some", {"Retry-After": "10"})
        return _Watching(self._stream(selection), self._count)

    async def _stream(self, selection: Selection) -> AsyncIterator[str]:
        """The board whenever there are newer numbers, and how they stand then and every second."""
        sent: str | None = None
        clock, told_at = asyncio.get_running_loop().time, float("-inf")
        while not self._stopping:
            view = await self._feed.view(selection)
            newer = view.board is not sent
            if newer:
                yield event("board", view.board)
                sent = view.board
            if newer or clock() - told_at >= _HEALTH_SECONDS:
                told_at = clock()
                health = {"state": view.health.state, "html": self._drawing.health(view.health)}
                yield event("health", json.dumps(health))
            await asyncio.sleep(FRESH_SECONDS)

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"state": "alive"})

    def _count(self, viewers: int) -> None:
        self._viewers += viewers
        metrics.VIEWERS.set(self._viewers)


def event(name: str, data: str) -> str:
    """A server-sent event (HTML Living Standard, 9.2): any of the three line breaks would end a line."""
    lines = "".join(f"data: {line}\n" for line in _LINE_BREAK.split(data))
    return f"event: {name}\n{lines}\n"


class _Watching(StreamingResponse):
    """A stream that is counted as long as it lasts."""

    def __init__(self, content: AsyncIterator[str], count: Callable[[int], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        self._count(1)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._count(-1)


async def _wrong_selection(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 400)


def _with_headers(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message["headers"])
                message["headers"] = [*message["headers"], *(one for one in _HEADERS if one[0] not in given)]
            await send(message)

        await app(scope, receive, sending)

    return wrapped
