"""A kind of page that shows numbers as they change: its document, and the stream that keeps it up to date."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Generic

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.page import metrics
from touchstream.sinks.page.drawing import Drawing, Frame
from touchstream.sinks.page.feed import FRESH_SECONDS, Asked, Feed, Read
from touchstream.sinks.page.rows import Rows, answer_of
from touchstream.sinks.page.sign_in import visitor_of

log = structlog.get_logger(__name__)

VIEWERS_MAX: Final = 500
"""Most streams at once. A viewer costs some comparisons a second, and the board's HTML when there are newer numbers."""
_READING_MAX: Final = 2
"""Answers for programs that are read at once, of each kind of page."""
_HEALTH_SECONDS: Final = 1.0
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")


@dataclass
class Viewers:
    """How many streams there are, of all kinds of pages; `stopping` ends them within a second."""

    watching: int = 0
    stopping: bool = False

    def count(self, more: int) -> None:
        """So many more, or fewer."""
        self.watching += more
        metrics.VIEWERS.set(self.watching)


class LivePage(Generic[Asked, Read]):
    """Where a kind of page is, and what it shows: asked reads an address, which it may refuse with SelectionError."""

    def __init__(
        self,
        path: str,
        template: str,
        feed: Feed[Asked, Read],
        drawing: Drawing,
        asked: Callable[[Request], Asked],
        rows: Callable[[Asked], Rows],
    ) -> None:
        """path: below the page's root, with Starlette's parameters; template: of the document; rows: for programs."""
        self.path, self.feed = path, feed
        self._template, self._drawing, self._asked, self._rows = template, drawing, asked, rows
        self._reading = asyncio.Semaphore(_READING_MAX)

    def routes(self, viewers: Viewers) -> list[Route]:
        """The document, and its stream, which is below `events`."""

        async def events(request: Request) -> Response:
            selection = self._asked(request)
            if viewers.watching >= VIEWERS_MAX:
                raise HTTPException(503, f"{VIEWERS_MAX} pages are open already; close some", {"Retry-After": "10"})
            return _Watching(self._stream(selection, viewers), viewers)

        stream = f"/events/{self.path}" if self.path else "/events"
        return [Route(f"/{self.path}", self._page), Route(stream, events)]

    async def _page(self, request: Request) -> Response:
        selection = self._asked(request)
        if "format" in request.query_params:
            return await self._data(selection, request.query_params["format"])
        view = await self.feed.view(selection)
        board, health = view.board, view.health
        return HTMLResponse(self._drawing.document(self._template, frame_of(request), selection, board, health))

    async def _data(self, selection: Asked, wanted: str) -> Response:
        try:
            async with self._reading:
                rows = await run_in_threadpool(self._rows, selection)
        except ClickHouseError as error:
            log.warning("a page's numbers can't be read", error=first_line(error))
            return PlainTextResponse("ClickHouse does not answer; try again\n", 503, {"Retry-After": "10"})
        return answer_of(rows, wanted, self.path.partition("/")[0] or "overview")

    async def _stream(self, selection: Asked, viewers: Viewers) -> AsyncIterator[str]:
        """The board whenever there are newer numbers, and how they stand then and every second."""
        sent: str | None = None
        clock, told_at = asyncio.get_running_loop().time, float("-inf")
        while not viewers.stopping:
            view = await self.feed.view(selection)
            newer = view.board is not sent
            if newer:
                yield event("board", view.board)
                sent = view.board
            if newer or clock() - told_at >= _HEALTH_SECONDS:
                told_at = clock()
                health = {"state": view.health.state, "html": self._drawing.health(view.health)}
                yield event("health", json.dumps(health))
            await asyncio.sleep(FRESH_SECONDS)


def root_of(request: Request) -> str:
    """The way back to the page's root, wherever a proxy has put it: an encoded slash in a name is none."""
    return "../" * (request.scope["raw_path"].count(b"/") - 1) or "./"


def frame_of(request: Request) -> Frame:
    """Where a live page is, its stream, and who asks."""
    stream = "events" + request.scope["raw_path"].decode("latin-1").rstrip("/")
    return Frame(root_of(request), stream, visitor_of(request))


def event(name: str, data: str) -> str:
    """A server-sent event (HTML Living Standard, 9.2): any of the three line breaks would end a line."""
    lines = "".join(f"data: {line}\n" for line in _LINE_BREAK.split(data))
    return f"event: {name}\n{lines}\n"


class _Watching(StreamingResponse):
    """A stream that is counted as long as it lasts."""

    def __init__(self, content: AsyncIterator[str], viewers: Viewers) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._viewers = viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        self._viewers.count(1)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._viewers.count(-1)
