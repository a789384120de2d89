"""Forms that visitors send: their fields, and whether they came from this site."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from touchstream.schemas.alert_actions import one_line

BODY_BYTES_MAX: Final = 16_384
_FIELDS_MAX: Final = 16
_FORM: Final = "application/x-www-form-urlencoded"


class FormRefusedError(ValueError):
    """What a form asks for makes no sense; the message says why, and what would."""


def sent_by_this_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of this site sent a request: by Sec-Fetch-Site, which every browser sends
    over TLS and on loopback and no page can change, or else by an Origin that is this Host. Without either: no."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


async def fields_of(request: Request) -> dict[str, str] | None:
    """The form's fields; None where it is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return None
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"))
    except ValueError:
        return None


def words_of(fields: Mapping[str, str], name: str, what: str) -> str:
    """A field that is one line of words; what: it is, in words. Raises FormRefusedError."""
    try:
        return one_line(fields.get(name, ""))
    except ValueError as error:
        raise FormRefusedError(f"{what} {error}") from error
