"""The gateway's HTTP application (ASGI): routes, and what is asked of a request before its events are looked at."""

from __future__ import annotations

import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchstream.schemas import times
from touchstream.schemas.codec import Undecodable
from touchstream.schemas.touchpoint import DETAIL_CHARS_MAX, Reason
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.http.scrape import scraped
from touchstream.streams.channels.gateway.body import EventTexts, read_body, split_events, why_no_json
from touchstream.streams.channels.gateway.dead_letters import Letters
from touchstream.streams.channels.gateway.delivery import Delivery, NotDelivered
from touchstream.streams.channels.gateway.intake import Judged, Terms, judge
from touchstream.streams.channels.gateway.key_lines import ANYTHING, Bounds, Permission
from touchstream.streams.channels.gateway.keys import KeyFile, KeysUnavailable
from touchstream.streams.channels.gateway.openapi import document
from touchstream.streams.channels.gateway.people import CUSTOMER, CUSTOMERS, is_this_machine, person
from touchstream.streams.channels.gateway.places import (
    BODIES_MAX,
    REQUESTS_AT_ONCE_MAX,
    RETRY_SECONDS,
    Bodies,
    Places,
)
from touchstream.streams.channels.gateway.problems import Answer, NoJson, Problem, RefusedEvent, come_back
from touchstream.streams.channels.gateway.rate import Rate
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

TOUCHPOINTS: Final = "/v1/touchpoints"
JSON_TYPE: Final = "application/json"
CALLER_WENT_AWAY: Final = 499  # as nginx has it
NOBODY: Final = "nobody"
"""The sender where no keys are required."""
_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}


@dataclass(frozen=True)
class Sender:
    """A sender, and what its key permits."""

    owner: str
    bounds: Bounds = ANYTHING


@dataclass
class Gateway:
    """What the routes share. `keys` None: no key is asked for. `customers` None: there are none to read.

    rate, byte_rate: events and bytes a second of a key. letters: makes records of what is refused. void_ids: what is no
    id.
    """

    delivery: Delivery
    keys: KeyFile | None
    rate: Rate
    byte_rate: Rate
    body_bytes_max: int
    letters: Letters
    customers: CustomerReader | None = None
    void_ids: VoidIds = DEFAULT_VOID_IDS
    bodies: Bodies = field(init=False)
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.bodies = Bodies(BODIES_MAX * self.body_bytes_max)
        self._document = msgspec.json.encode(
            document(
                keys_needed=self.keys is not None,
                body_bytes_max=self.body_bytes_max,
                customers=self.customers is not None,
            )
        )
        # Without keys all senders are one.
        self.places = Places() if self.keys else Places(REQUESTS_AT_ONCE_MAX)

    def application(self) -> ASGIApp:
        """The application; its lifespan is that of the connection to Kafka."""
        routes = [
            Route(TOUCHPOINTS, self.touchpoints, methods=["POST"]),
            Route(f"{CUSTOMERS}{{id:path}}", self.customer),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", scraped),
            Route("/openapi.json", self.openapi),
        ]
        # No traces for a caller, whatever happens: `debug` stays off, and `Observed` is around everything.
        app = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={
                Problem: _problem,
                HTTPException: _http_problem,
                ClientDisconnect: _gone,
                Exception: _failure,
            },
        )
        app.router.redirect_slashes = False
        return Observed(app, frozenset(route.path for route in routes) | {CUSTOMER})

    async def touchpoints(self, request: Request) -> Response:
        """Take events: 202 once Kafka has acknowledged all that can be used."""
        sender = self._sender(request)
        with self.bodies.body(sender.owner) as room:
            body = await read_body(request, self.body_bytes_max, room)
            self.byte_rate.take(sender.owner, len(body))
            async with self.places.place(sender.owner):
                now_ms = times.now_ms()
                try:
                    events = split_events(body, request.headers.get("content-type", ""))
                    self.rate.take(sender.owner, max(0, len(events.texts) - 1))
                    judged = await self._judged(events, body, now_ms, sender)
                except NoJson as problem:
                    await self._keep(body, problem.details.detail, now_ms, sender)
                    raise
                await self._deliver(judged, events.texts, now_ms, sender)
        answer = Answer(len(judged.records), judged.refused, judged.given_ids)
        return _json(answer, HTTPStatus.ACCEPTED)

    async def customer(self, request: Request) -> Response:
        """One view of a person, for keys that may read."""
        self._sender(request, Permission.READ)
        return _json(await person(self.customers, request), headers={"Cache-Control": "no-store"})

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return _json({"state": "alive"})

    async def readyz(self, _: Request) -> Response:
        """Whether events would be taken now: 503 while Kafka is away, or not all of the file of keys can be used."""
        problem = self.keys.problem() if self.keys else ""
        if problem:
            return _json({"state": "keys", "detail": problem}, HTTPStatus.SERVICE_UNAVAILABLE, _RETRY)
        health = await self.delivery.health()
        if health.state == "ready":
            return _json({"state": health.state})
        return _json({"state": health.state, "detail": health.detail}, HTTPStatus.SERVICE_UNAVAILABLE, _RETRY)

    async def openapi(self, _: Request) -> Response:
        """This interface, described."""
        return Response(self._document, media_type=JSON_TYPE)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.delivery:
            yield

    def _sender(self, request: Request, to: Permission = Permission.SEND) -> Sender:
        """The sender of a request, charged for one event in advance. Raises Problem: 401, 403, 429, 503."""
        sender = self._allowed(request, to)
        for rate, what in ((self.rate, "events"), (self.byte_rate, "bytes")):
            wait_seconds = rate.wait_seconds(sender.owner)
            if wait_seconds:
                detail = f"more {what} a second than this key may send; retry in {wait_seconds:.1f} s"
                raise come_back(429, f"Too many {what}", detail, wait_seconds)
        self.rate.take(sender.owner, 1)
        return sender

    def _allowed(self, request: Request, to: Permission) -> Sender:
        if self.keys is None:
            # Any web page may have its visitors' browsers post to their own machine; browsers say so, programs don't.
            if "origin" in request.headers or not is_this_machine(request):
                raise Problem(
                    403,
                    "Not for web pages",
                    "without API keys, requests from web pages and under other host names than localhost are refused",
                )
            return Sender(NOBODY)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        try:
            found = self.keys.find(key.strip()) if scheme.lower() == "bearer" else None
        except KeysUnavailable as error:
            raise come_back(503, "No key can be checked now", f"{error}; send it again later", RETRY_SECONDS) from None
        if found is None:
            raise _no_key("send a valid API key: Authorization: Bearer KEY")
        if self.keys.has_expired(found):
            raise _no_key(f"this key expired at {found.expires_at:%Y-%m-%dT%H:%M:%SZ}; ask for a new one")
        if to not in found.may:
            detail = f"this key may not {to}: `touchstream gateway key NAME --may {to}` makes one that may"
            raise Problem(403, "Not with this key", detail)
        return Sender(found.owner, found.bounds)

    async def _judged(self, events: EventTexts, body: bytes, now_ms: int, sender: Sender) -> Judged:
        try:
            terms = Terms(sender.bounds, self._sent_by(sender), self.void_ids)
            return await judge(events, self.delivery.encoder, now_ms, terms)
        except Undecodable as error:
            raise NoJson(f"{error} (no line is JSON)" if events.lines else why_no_json(body)) from None
        except NotDelivered:
            raise _kafka_away(Judged()) from None

    def _sent_by(self, sender: Sender) -> str | None:
        return None if self.keys is None else sender.owner

    async def _keep(self, body: bytes, why: str, now_ms: int, sender: Sender) -> None:
        """A body that holds no event that could be told apart, as one letter; an empty one holds nothing to keep."""
        if body.strip():
            whole = Judged(refused=[RefusedEvent(0, Reason.UNDECODABLE, why[:DETAIL_CHARS_MAX])])
            await self._deliver(whole, [body], now_ms, sender)

    async def _deliver(self, judged: Judged, texts: Sequence[bytes], now_ms: int, sender: Sender) -> None:
        """Publish accepted and refused events, and wait until Kafka has acknowledged both. Raises Problem: 503."""
        letters = self.letters.of(judged.refused, texts, sender.owner, self._sent_by(sender))
        try:
            await self.delivery.send([*judged.records, *letters], now_ms)
        except NotDelivered:
            self.letters.give_back(sender.owner, len(letters))
            metrics.GATEWAY_EVENTS.labels("unacknowledged").inc(len(judged.records))
            raise _kafka_away(judged) from None
        metrics.GATEWAY_EVENTS.labels("accepted").inc(len(judged.records))
        for refused in judged.refused:
            metrics.GATEWAY_EVENTS.labels(refused.reason.value).inc()
        for refused in judged.refused[len(letters) :]:
            metrics.GATEWAY_REFUSED_NOT_KEPT.labels(refused.reason.value).inc()


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


def _no_key(detail: str) -> Problem:
    return Problem(401, "No valid API key", detail, {"WWW-Authenticate": 'Bearer realm="touchstream"'})


def _kafka_away(judged: Judged) -> Problem:
    detail = "Kafka has not acknowledged all events in time; send them again, with the same event_id none counts twice"
    return come_back(503, "Kafka doesn't take events", detail, RETRY_SECONDS, judged.given_ids)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101
    return error.response()


async def _http_problem(_: Request, error: Exception) -> Response:
    """Starlette's own: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, phrase, "see /openapi.json for what there is", error.headers).response()


async def _gone(_: Request, __: Exception) -> Response:
    """For the metrics only: the client has disconnected."""
    return Response(status_code=CALLER_WENT_AWAY)


async def _failure(_: Request, __: Exception) -> Response:
    return Problem(500, "Internal error", "see the gateway's log").response()


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, JSON_TYPE)
