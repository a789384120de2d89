"""Requests counted and timed; what goes wrong inside is logged and stays there."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchstream.streams.channels.gateway.people import CUSTOMER, CUSTOMERS
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)


class Observed:
    """Counts and times the requests around an application, and keeps what goes wrong inside from getting out."""

    def __init__(self, app: ASGIApp, paths: frozenset[str], clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._paths = paths
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = self._clock(), "none"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        # Never the id of a person.
        path = CUSTOMER if scope["path"].startswith(CUSTOMERS) else scope["path"]
        path = path if path in self._paths else "other"
        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{where.filename}:{where.lineno}"
            log.error("request failed", path=path, error=type(error).__name__, at=at)  # noqa: TRY400  may hold events
        finally:
            metrics.GATEWAY_REQUESTS.labels(path, status).inc()
            metrics.GATEWAY_SECONDS.labels(path).observe(self._clock() - began)
        return None
