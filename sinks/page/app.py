"""The page's HTTP application (ASGI): its pages, their streams of events, and what they load."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchstream.sinks.http.scrape import scraped
from touchstream.sinks.page import metrics
from touchstream.sinks.page.live_page import LivePage, Viewers
from touchstream.sinks.page.selection import SelectionError

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
    """The routes, and how many are watching. others: routes of pages that don't move."""

    def __init__(self, pages: Sequence[LivePage[Any, Any]], others: Sequence[BaseRoute] = ()) -> None:
        self._pages, self._others = pages, others
        self._viewers = Viewers()
        metrics.SELECTIONS.set_function(lambda: sum(feed.watched for feed in {page.feed for page in pages}))

    def stop(self) -> None:
        """End all streams within a second."""
        self._viewers.stopping = True

    def application(self) -> ASGIApp:
        """The application; under which names it may be asked for is the server's to check."""
        app = Starlette(
            routes=[
                *(route for page in self._pages for route in page.routes(self._viewers)),
                *self._others,
                Route("/healthz", _healthz),
                Route("/metrics", scraped),
                Mount("/static", StaticFiles(packages=[("touchstream.sinks.page", "static")])),
            ],
            exception_handlers={SelectionError: _wrong_selection},
        )
        return _with_headers(app)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"state": "alive"})


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
