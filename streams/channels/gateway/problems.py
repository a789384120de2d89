"""Answers that say what went wrong: problem details for HTTP (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from touchstream.streams.channels.judged import GivenId, RefusedEvent

PROBLEM_TYPE: Final = "application/problem+json"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a request's events: all that were accepted are acknowledged by Kafka.

    skipped: messages of a foreign system that are no events, by why.
    """

    accepted: int
    refused: list[RefusedEvent]
    event_ids: list[GivenId] = []
    skipped: dict[str, int] = {}


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not taken: nothing of it was accepted."""

    title: str
    status: int
    detail: str
    event_ids: list[GivenId] = []


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """Ends a request with a problem's answer. `detail` goes to the sender: no secrets, nothing about our inside."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        event_ids: Sequence[GivenId] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.details = ProblemDetails(title, status, detail, list(event_ids))

    def response(self) -> Response:
        """The answer itself."""
        return Response(msgspec.json.encode(self.details), self.status, self.headers, PROBLEM_TYPE)


class NoJson(Problem):
    """The body can't be read."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "The body is no JSON", detail)


def too_large(detail: str) -> Problem:
    """The request is over a limit."""
    return Problem(413, "The request is too large", detail)


def come_back(status: int, title: str, detail: str, seconds: float, event_ids: Sequence[GivenId] = ()) -> Problem:
    """A temporary failure: the same request may be retried after `seconds`."""
    return Problem(status, title, detail, {"Retry-After": str(max(1, math.ceil(seconds)))}, event_ids)
