"""The gateway's HTTP application (ASGI): routes, and what is asked of a request before its events are looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from touchstream.schemas import times
from touchstream.schemas.codec import Undecodable
from touchstream.schemas.scales import Scales
from touchstream.schemas.touchpoint import DETAIL_CHARS_MAX, Reason, Refusal
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.http.scrape import scraped
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_intake import MappedEvents
from touchstream.streams.channels.gateway import cloudevents
from touchstream.streams.channels.gateway.annotations import ANNOTATION_BYTES_MAX, ANNOTATIONS, annotation_record
from touchstream.streams.channels.gateway.body import EventTexts, read_body, split_events, why_no_json
from touchstream.streams.channels.gateway.dead_letters import Letters
from touchstream.streams.channels.gateway.delivery import EventNotDelivered, GatewayDelivery
from touchstream.streams.channels.gateway.intake import judge
from touchstream.streams.channels.gateway.key_lines import Permission
from touchstream.streams.channels.gateway.keys import KeyFile
from touchstream.streams.channels.gateway.mapped import MappedIntake
from touchstream.streams.channels.gateway.observed import Observed
from touchstream.streams.channels.gateway.openapi import document
from touchstream.streams.channels.gateway.people import CUSTOMER, CUSTOMERS, person
from touchstream.streams.channels.gateway.places import (
    BODIES_MAX,
    REQUESTS_AT_ONCE_MAX,
    RETRY_SECONDS,
    Bodies,
    Places,
)
from touchstream.streams.channels.gateway.problems import Answer, NoJson, Problem, come_back
from touchstream.streams.channels.gateway.rate import Rate
from touchstream.streams.channels.gateway.segment import (
    BODY_OWNER,
    METRICS_PATH,
    PATHS,
    SegmentAnswer,
    cross_origin,
    key_of_body,
    key_of_header,
    preflight,
    prepared,
)
from touchstream.streams.channels.gateway.senders import Sender, Senders
from touchstream.streams.channels.gateway.sources import WebhookSource
from touchstream.streams.channels.judged import JudgedEvents, Terms
from touchstream.streams.process import metrics

TOUCHPOINTS: Final = "/v1/touchpoints"
JSON_TYPE: Final = "application/json"
CALLER_WENT_AWAY: Final = 499  # as nginx has it
SOURCES: Final = "/v1/in/"
_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}


@dataclass
class Gateway:
    """What the routes share. `keys` None: no key is asked for. `customers` None: there are none to read.

    rate, byte_rate: events and bytes a second of a key. letters: makes records of what is refused. void_ids: what is no
    id. sources: systems whose own webhooks are taken. segment: makes events of what comes to Segment's paths, if there
    are such.
    """

    delivery: GatewayDelivery
    keys: KeyFile | None
    rate: Rate
    byte_rate: Rate
    body_bytes_max: int
    letters: Letters
    customers: CustomerReader | None = None
    void_ids: VoidIds = DEFAULT_VOID_IDS
    scales: Scales | None = None
    sources: Sequence[WebhookSource] = ()
    segment: MessageConverter | None = None
    senders: Senders = field(init=False)
    bodies: Bodies = field(init=False)
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.senders = Senders(self.keys, self.rate, self.byte_rate)
        self.bodies = Bodies(BODIES_MAX * self.body_bytes_max)
        self._document = msgspec.json.encode(
            document(
                keys_needed=self.keys is not None,
                body_bytes_max=self.body_bytes_max,
                customers=self.customers is not None,
                sources=self.sources,
                segment=self.segment is not None,
            )
        )
        # Without keys all senders are one.
        self.places = Places() if self.keys else Places(REQUESTS_AT_ONCE_MAX)

    def application(self) -> ASGIApp:
        """The application; its lifespan is that of the connection to Kafka."""
        routes = [
            Route(TOUCHPOINTS, self.touchpoints, methods=["POST"]),
            Route(ANNOTATIONS, self.annotations, methods=["POST"]),
            *(Route(f"{SOURCES}{one.name}", partial(self.webhook, one), methods=["POST"]) for one in self.sources),
            *(
                Route(where, partial(self.segment_call, call), methods=["POST", "OPTIONS"])
                for where, call in ({**PATHS, METRICS_PATH: None} if self.segment else {}).items()
            ),
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
        if cloudevents.is_cloudevent(request):
            return await self._of_known_sender(cloudevents.converter(), request)
        sender = self.senders.of(request)
        with self.bodies.body(sender.owner) as room:
            body = await read_body(request, self.body_bytes_max, room)
            self.senders.take_bytes(sender, len(body))
            async with self.places.place(sender.owner):
                now_ms = times.now_ms()
                async with self._kept_if_no_json(body, now_ms, sender):
                    events = split_events(body, request.headers.get("content-type", ""))
                    self.senders.take_events(sender, len(events.texts))
                    judged = await self._judged(events, body, now_ms, sender)
                await self._deliver(judged, now_ms, sender)
        answer = Answer(len(judged.records), judged.refused, judged.given_ids)
        return _json(answer, HTTPStatus.ACCEPTED)

    async def annotations(self, request: Request) -> Response:
        """Take an annotation: 202 once Kafka has it."""
        sender = self.senders.of(request)
        with self.bodies.body(sender.owner) as room:
            body = await read_body(request, ANNOTATION_BYTES_MAX, room)
            self.senders.take_bytes(sender, len(body))
        now_ms = times.now_ms()
        taken, record = annotation_record(body, now_ms, sender, self.delivery.topic)
        try:
            await self.delivery.send([record], now_ms)
        except EventNotDelivered:
            raise _kafka_away(JudgedEvents()) from None
        return _json({"id": taken.id}, HTTPStatus.ACCEPTED)

    async def webhook(self, source: WebhookSource, request: Request) -> Response:
        """Take the messages of a foreign system: mapped, judged, and answered as events are."""
        if source.verifier is None:
            return await self._of_known_sender(source.converter, request)
        # Who sends is known once the body has been read, for that is what is signed.
        claim = self.senders.claimed(source, request)
        with self.bodies.body(source.owner) as room:
            body = await read_body(request, self.body_bytes_max, room)
            sender = self.senders.signed(source, claim, body)
            mapped = await self._take_messages(source.converter, request, body, sender, cloudevents.unfolded(request))
        return _mapped(mapped)

    async def _of_known_sender(self, converter: MessageConverter, request: Request) -> Response:
        sender = self.senders.of(request)
        with self.bodies.body(sender.owner) as room:
            body = await read_body(request, self.body_bytes_max, room)
            mapped = await self._take_messages(converter, request, body, sender, cloudevents.unfolded(request))
        return _mapped(mapped)

    async def segment_call(self, call: str | None, request: Request) -> Response:
        """Take what an SDK of Segment's sends, for web pages of an origin as well, or tell a browser that it may.

        call: None for what it tells of itself.
        """
        given = request.headers.get("origin")
        origin = given if given is not None and self.senders.takes_pages_of(given) else None
        if request.method == "OPTIONS":
            if origin is None:
                raise Problem(403, "Not from this origin", "no API key is made for web pages of this origin")
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=preflight(origin))
        try:
            response = await self._segment_messages(call, request) if call else _json(SegmentAnswer(True, 0, [], {}))
        except Problem as problem:
            response = problem.response()
        response.headers.update(cross_origin(origin))
        return response

    async def _segment_messages(self, call: str, request: Request) -> Response:
        assert self.segment is not None  # noqa: S101
        key = key_of_header(request)
        known = None if key is None else self.senders.of_write_key(request, key)
        with self.bodies.body(known.owner if known else BODY_OWNER) as room:
            body = await read_body(request, self.body_bytes_max, room)
            sender = known or self.senders.of_write_key(request, key_of_body(body))
            mapped = await self._take_messages(self.segment, request, body, sender, prepared(call))
        return _json(SegmentAnswer(True, len(mapped.judged.records), mapped.judged.refused, dict(mapped.skipped)))

    async def _take_messages(
        self,
        converter: MessageConverter,
        request: Request,
        body: bytes,
        sender: Sender,
        prepare: Callable[[Any], Any] | None = None,
    ) -> MappedEvents:
        self.senders.take_bytes(sender, len(body))
        async with self.places.place(sender.owner):
            now_ms = times.now_ms()
            async with self._kept_if_no_json(body, now_ms, sender):
                documents, encoder = _documents(request, body), self.delivery.encoder
                with self._said_of_no_json(documents, body):
                    intake = MappedIntake(converter, encoder or Encoder(), now_ms, self._terms(sender), prepare)
                    mapped = await intake.take(documents.texts)
            self.senders.take_events(sender, len(mapped.judged.records) + len(mapped.judged.refused))
            self._require_connection(encoder, mapped.judged)
            await self._deliver(mapped.judged, now_ms, sender, must_keep=True)
        return mapped

    async def customer(self, request: Request) -> Response:
        """One view of a person, for keys that may read."""
        sender = self.senders.of(request, Permission.READ)
        return _json(await person(self.customers, request, sender.sent_by or ""), headers={"Cache-Control": "no-store"})

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

    async def _judged(self, events: EventTexts, body: bytes, now_ms: int, sender: Sender) -> JudgedEvents:
        encoder = self.delivery.encoder
        with self._said_of_no_json(events, body):
            judged = await judge(events, encoder or Encoder(), now_ms, self._terms(sender))
        self._require_connection(encoder, judged)
        return judged

    def _require_connection(self, encoder: Encoder | None, judged: JudgedEvents) -> None:
        """Raises Problem (503) where something can be used, and it isn't known yet how events are written."""
        if encoder is None and judged.records:
            metrics.GATEWAY_EVENTS.labels("unacknowledged").inc(len(judged.records))
            raise _kafka_away(judged)

    def _terms(self, sender: Sender) -> Terms:
        return Terms(sender.bounds, sender.sent_by, self.void_ids, scales=self.scales)

    @contextmanager
    def _said_of_no_json(self, texts: EventTexts, body: bytes) -> Iterator[None]:
        try:
            yield
        except Undecodable as error:
            raise NoJson(f"{error} (no line is JSON)" if texts.lines else why_no_json(body)) from None

    @asynccontextmanager
    async def _kept_if_no_json(self, body: bytes, now_ms: int, sender: Sender) -> AsyncIterator[None]:
        """A body in which no events could be told apart becomes one letter; an empty one holds nothing to keep."""
        try:
            yield
        except NoJson as problem:
            if body.strip():
                whole = JudgedEvents()
                detail = problem.details.detail[:DETAIL_CHARS_MAX]
                whole.refuse(Refusal(0, Reason.UNDECODABLE, detail), body)
                await self._deliver(whole, now_ms, sender)
            raise

    async def _deliver(self, judged: JudgedEvents, now_ms: int, sender: Sender, *, must_keep: bool = False) -> None:
        """Publish accepted and refused events, and wait until Kafka has acknowledged both. Raises Problem: 503.

        Where Kafka doesn't, and nothing would have been accepted, sending again would change nothing: refusals are then
        counted as not kept, and answered as ever. must_keep: but not of a sender that can't correct what it sends.
        """
        letters = self.letters.of(judged.refused, judged.refused_texts, sender.owner, sender.sent_by)
        try:
            await self.delivery.send([*judged.records, *letters], now_ms)
        except EventNotDelivered:
            self.letters.give_back(sender.owner, len(letters))
            if judged.records or (must_keep and letters):
                metrics.GATEWAY_EVENTS.labels("unacknowledged").inc(len(judged.records))
                raise _kafka_away(judged) from None
            letters = []
        metrics.GATEWAY_EVENTS.labels("accepted").inc(len(judged.records))
        for refused in judged.refused:
            metrics.GATEWAY_EVENTS.labels(refused.reason.value).inc()
        for refused in judged.refused[len(letters) :]:
            metrics.GATEWAY_REFUSED_NOT_KEPT.labels(refused.reason.value).inc()


def _documents(request: Request, body: bytes) -> EventTexts:
    """The texts of a request, each a document. The body of a binary CloudEvent is one whatever it holds, or nothing."""
    if cloudevents.is_binary(request):
        return EventTexts([body if body.strip() else b"null"], lines=False)
    return split_events(body, request.headers.get("content-type", ""))


def _mapped(mapped: MappedEvents) -> Response:
    answer = Answer(len(mapped.judged.records), mapped.judged.refused, skipped=dict(mapped.skipped))
    return _json(answer, HTTPStatus.ACCEPTED)


def _kafka_away(judged: JudgedEvents) -> Problem:
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
