"""A request's body: read within its bounds, and parted into the texts of its events."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.requests import Request

from touchstream.schemas.codec import Undecodable, parse_json
from touchstream.streams.channels.files.lines import UTF8_BOM, UTF16_BOMS
from touchstream.streams.channels.gateway.elements import parted
from touchstream.streams.channels.gateway.places import Body
from touchstream.streams.channels.gateway.problems import NoJson, Problem, too_large

EVENTS_MAX: Final = 10_000
"""Most events in one request: two seconds of work for one gateway. A whole request is in memory."""
NDJSON_TYPES: Final = frozenset(
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonlines", "jsonlines", "json-lines")
)
_BLANK = b" \t\r\n"
_NO_NUMBER = re.compile(rb"[\s:,\[]([+-]?(?:NaN|Infinity|Inf|nan|inf|undefined|None))\b")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_LOOKED_AT_LINES = 20
_LOOKED_AT_BYTES = 2**20
"""Bytes examined to find out whether a body is lines of which the first one is broken."""
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class EventTexts:
    """The texts of a request's events, in their order; each is JSON, or will be found not to be.

    `lines`: they are lines of their own (NDJSON), so that a broken one says nothing about the others.
    """

    texts: list[bytes]
    lines: bool


async def read_body(request: Request, bytes_max: int, body: Body) -> bytes:
    """The body, decompressed, in bounded memory and time. Raises Problem: 400, 408, 413, 415, 503."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        detail = "send the body as it is, or compressed with gzip"
        raise Problem(415, "Unknown content encoding", detail, {"Accept-Encoding": "gzip"})
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise _over(bytes_max)
    read = _plain if encoding == "identity" else _unzipped
    async with body.arriving():
        return await read(request, bytes_max, body)


def split_events(body: bytes, content_type: str) -> EventTexts:
    """One object, an array's elements, or NDJSON's lines: said by the content type, else found by looking.

    Raises Problem: 400 for what is no JSON, 413 for more than 10,000 events.
    """
    if body.startswith(UTF16_BOMS) or body[:1] == b"\0" or body[1:2] == b"\0":
        raise NoJson("it is UTF-16 or UTF-32; send UTF-8: iconv -f UTF-16 -t UTF-8")
    body = body.removeprefix(UTF8_BOM)
    if not body.strip(_BLANK):
        raise NoJson("the body is empty; send an event, an array of events, or one event a line")
    if content_type.partition(";")[0].strip().lower() in NDJSON_TYPES or _looks_like_lines(body):
        return EventTexts(_lines(body), lines=True)
    if body.lstrip(_BLANK).startswith(b"["):
        return EventTexts(_elements(body), lines=False)
    return EventTexts([body], lines=False)


def why_no_json(body: bytes) -> str:
    """What is wrong with a text that is no JSON, where, and what to send instead."""
    body = body.removeprefix(UTF8_BOM).strip(_BLANK)
    if not body:
        return "it is empty: a comma too many"
    try:
        body.decode("utf-8")
        parse_json(body)
    except UnicodeDecodeError as error:
        return f"it is no UTF-8: {error.reason} (byte {error.start}); convert it: iconv -f WINDOWS-1252 -t UTF-8"
    except Undecodable as error:
        no_number = _NO_NUMBER.search(_STRING.sub(lambda text: b"_" * len(text[0]), body))
        if no_number:
            found = no_number[1].decode()
            return f"{found} is no JSON (byte {no_number.start(1)}); send null, or leave the field out"
        if "truncated" in str(error):  # msgspec says the same of both
            return f"it ends too early (after byte {len(body)}), or holds half of a surrogate pair"
        return str(error)
    return "it can't be read"


async def _plain(request: Request, bytes_max: int, room: Body) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise _over(bytes_max)
        room.grow(len(body), len(body))
    return bytes(body)


async def _unzipped(request: Request, bytes_max: int, room: Body) -> bytes:
    body = bytearray()
    received = 0
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    async for chunk in request.stream():
        received += len(chunk)
        try:
            # One byte more than is allowed is enough to know, however much a few bytes would become.
            body += gzip.decompress(chunk, bytes_max + 1 - len(body))
        except zlib.error as error:
            raise Problem(400, "The body is no gzip", f"{error}") from error
        if len(body) > bytes_max or received > bytes_max:
            raise _over(bytes_max)
        if gzip.unused_data:
            raise Problem(400, "The body is no gzip", "bytes follow the end of the gzip data; send one gzip member")
        room.grow(received, len(body))
    if not gzip.eof:
        raise Problem(400, "The body is no gzip", f"it ends too early (after byte {received})")
    return bytes(body)


def _over(bytes_max: int) -> Problem:
    return too_large(f"a body has at most {bytes_max} bytes, also when it is decompressed; send several requests")


def _too_many() -> Problem:
    return too_large(f"a request has at most {EVENTS_MAX} events; send several requests")


def _looks_like_lines(body: bytes) -> bool:
    """Whether the body is several lines, of which one of the first is an object by itself."""
    start = body.lstrip(_BLANK)
    if not start.startswith(b"{"):
        return False
    first, _, rest = start[:_LOOKED_AT_BYTES].replace(b"\r", b"\n").partition(b"\n")
    if not rest.strip(_BLANK):
        return False
    if _is_object(first):
        return True
    # The first line is broken, or the whole is one object on several lines.
    return not _is_object(body) and any(_is_object(line) for line in rest.splitlines()[:_LOOKED_AT_LINES])


def _is_object(text: bytes) -> bool:
    text = text.strip(_BLANK)
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return False
    try:
        parse_json(text)
    except Undecodable:
        return False
    return True


def _lines(body: bytes) -> list[bytes]:
    texts: list[bytes] = []
    # JSON holds neither as it is: each ends a line, as CR and LF together do, since empty lines are no events.
    for line in io.BytesIO(body.replace(b"\r", b"\n")):  # one at a time: five megabytes may be that many lines
        text = line.strip(_BLANK)
        if text and len(texts) == EVENTS_MAX:
            raise _too_many()
        if text:
            texts.append(text)
    return texts


def _elements(body: bytes) -> list[bytes]:
    elements: Any
    try:
        # Costs 65 bytes for an element of one, 170 MB for a body of nothing else; one request at a time comes here.
        elements = _ELEMENTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        elements = parted(body, EVENTS_MAX)
        if elements is None:
            raise NoJson(why_no_json(body)) from None
    if len(elements) > EVENTS_MAX:
        raise _too_many()
    return [bytes(element) for element in elements]
