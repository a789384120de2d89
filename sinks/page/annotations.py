"""The page of what was noted, and its form: operators say what happened, by their name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, get_args
from uuid import uuid4

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from touchstream.schemas.annotations import Annotation, AnnotationError, Kind, checked
from touchstream.schemas.times import instant, now_ms, since_epoch
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.page.drawing import Drawing, Frame
from touchstream.sinks.page.forms import BODY_BYTES_MAX, FormRefusedError, fields_of, sent_by_this_site, words_of
from touchstream.sinks.page.live_page import root_of
from touchstream.sinks.page.rows import answer_of, instant_text
from touchstream.sinks.page.sign_in import Visitor, visitor_of
from touchstream.sinks.page.surroundings import Surroundings

log = structlog.get_logger(__name__)

_DAY_MS: Final = 86_400_000
_BACK_MS, _AHEAD_MS = 90 * _DAY_MS, 731 * _DAY_MS
_SHOWN_MAX: Final = 500
_SCOPE: Final = ("journey", "stage", "channel", "segment")
_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_OFF: Final = (
    "nothing can be noted here by you: TOUCHSTREAM_PAGE_ACTIONS and TOUCHSTREAM_PAGE_OPERATORS say by whom it can\n"
)
_FOREIGN: Final = "this form was not sent by this page; open the page, and send it from there\n"


class NotTakenError(Exception):
    """The annotation could not be written; the message says why."""


Annotate = Callable[[Annotation], None]
"""Writes an annotation to where all read it. Raises NotTakenError."""


@dataclass(frozen=True)
class NotedView:
    """What was noted, the newest first, and the form as it was filled in. may: whether the visitor may note.

    known: False where it could not be read. sent: the id of an annotation that was just sent.
    """

    noted: Sequence[Annotation]
    may: bool
    known: bool = True
    sent: str = ""
    trouble: str = ""
    filled: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_waited_for(self) -> bool:
        """Whether what was sent is not read yet."""
        return bool(self.sent) and all(one.id != self.sent for one in self.noted)


class AnnotationPage:
    """Shows what was noted of the last 90 days and of what is ahead. annotate: None where nothing can be noted."""

    def __init__(self, surroundings: Surroundings, drawing: Drawing, annotate: Annotate | None) -> None:
        self._surroundings, self._drawing, self._annotate = surroundings, drawing, annotate

    def routes(self) -> list[Route]:
        """The page, and what takes its form."""
        return [Route("/annotations", self._page), Route("/annotations", self._note, methods=["POST"])]

    async def _page(self, request: Request) -> Response:
        visitor = visitor_of(request)
        noted, known = await self._read()
        wanted = request.query_params.get("format")
        if wanted is not None:
            if not known:
                return PlainTextResponse("ClickHouse does not answer; try again\n", 503, {"Retry-After": "10"})
            return answer_of([_row(one) for one in noted], wanted, "annotations")
        filled = {name: request.query_params.get(name, "") for name in (*_SCOPE, "at")}
        view = NotedView(noted, self._may(visitor), known, request.query_params.get("noted", ""), filled=filled)
        return self._answer(request, view)

    async def _note(self, request: Request) -> Response:
        visitor = visitor_of(request)
        if self._annotate is None or not visitor.operator:
            return PlainTextResponse(_OFF, 403)
        if not sent_by_this_site(request.headers):
            return PlainTextResponse(_FOREIGN, 403)
        fields = await fields_of(request)
        if fields is None:
            return PlainTextResponse(f"send a form of at most {BODY_BYTES_MAX} bytes\n", 400)
        if visitor.name:
            fields["by"] = visitor.name
        try:
            said = annotation_of(fields, now_ms())
            await run_in_threadpool(self._annotate, said)
        except (FormRefusedError, AnnotationError) as error:
            return await self._again(request, fields, str(error), 400)
        except NotTakenError as error:
            log.warning("an annotation can't be written", error=str(error))
            return await self._again(request, fields, str(error), 503)
        return RedirectResponse(f"annotations?noted={said.id}", 303)

    async def _again(self, request: Request, fields: Mapping[str, str], trouble: str, status: int) -> Response:
        noted, known = await self._read()
        return self._answer(request, NotedView(noted, may=True, known=known, trouble=trouble, filled=fields), status)

    def _answer(self, request: Request, view: NotedView, status: int = 200) -> Response:
        frame = Frame(root_of(request), "", visitor_of(request))
        return HTMLResponse(self._drawing.still("annotations.html", frame, {"view": view, "kinds": _KINDS}), status)

    def _may(self, visitor: Visitor) -> bool:
        return visitor.operator and self._annotate is not None

    async def _read(self) -> tuple[list[Annotation], bool]:
        """What was noted, and whether it could be read."""
        try:
            return await run_in_threadpool(self._noted), True
        except ClickHouseError as error:
            log.warning("annotations can't be read", error=first_line(error))
            return [], False

    def _noted(self) -> list[Annotation]:
        table, now = AnnotationTable(self._surroundings.client()), now_ms()
        return table.between(self._surroundings.topic, now - _BACK_MS, now + _AHEAD_MS, _SHOWN_MAX)


def annotation_of(fields: Mapping[str, str], at_ms: int) -> Annotation:
    """The annotation that a form says; without a time it is of now. Raises FormRefusedError, AnnotationError."""
    kind = _KINDS.get(fields.get("kind", "other"))
    if kind is None:
        raise FormRefusedError(f"kind takes one of {', '.join(_KINDS)}")
    begun = _moment(fields, "at")
    return checked(
        Annotation(
            id=uuid4().hex,
            at=instant(at_ms) if begun is None else begun,
            text=words_of(fields, "text", "what happened"),
            kind=kind,
            until=_moment(fields, "until"),
            **{name: fields.get(name) or None for name in _SCOPE},
            source=words_of(fields, "by", "your name"),
            link=fields.get("link", "").strip(),
            exclude=fields.get("exclude") == "true",
        ),
        instant(at_ms),
    )


def _moment(fields: Mapping[str, str], name: str) -> datetime | None:
    """A time of the form, which has no zone: UTC."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise FormRefusedError(f"{name} takes a date and time such as 2026-11-30T14:00") from error
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


def _row(one: Annotation) -> dict[str, Any]:
    return {
        "at": instant_text(since_epoch(one.at)),
        "until": None if one.until is None else instant_text(since_epoch(one.until)),
        **{name: getattr(one, name) for name in ("kind", *_SCOPE, "text", "source", "link", "exclude", "id")},
    }
