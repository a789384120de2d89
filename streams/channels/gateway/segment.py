"""Segment's HTTP paths, so that its SDKs and RudderStack's send to the gateway: keys, origins, and bodies of theirs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request

from touchstream.schemas.codec import Undecodable, parse_json
from touchstream.streams.channels.judged import RefusedEvent

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias", "batch")
PATHS: Final[dict[str, str]] = {
    **{f"/v1/{call}": call for call in CALLS},
    **{f"/v1/{call[0]}": call for call in CALLS},  # as the SDK for browsers shortens them
}
"""Path to the call that it takes."""
METRICS_PATH: Final = "/v1/m"
"""What the SDK for browsers tells of itself: nothing is read of it, but answered it has to be."""
BODY_OWNER: Final = "segment"
"""Who is charged for a body whose key stands in it, while it is read."""
PREFLIGHT_SECONDS: Final = 600
"""For how long a browser remembers that it may send: an origin that is taken back can't for longer."""
_BATCH: Final = "batch"
_KEY: Final = "writeKey"


class SegmentAnswer(msgspec.Struct, frozen=True):
    """What an SDK is answered, which looks at the status and at `success`, and what became of its messages."""

    success: bool
    accepted: int
    refused: list[RefusedEvent]
    skipped: dict[str, int]


def key_of_header(request: Request) -> str | None:
    """The write key: the user name of Basic authentication, or a bearer's. None where the header isn't there.

    An empty text is a header without a key.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, said = header.partition(" ")
    if scheme.lower() == "bearer":
        return said.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(said.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def key_of_body(body: bytes) -> str:
    """The write key that a body brings along, as SDKs for browsers do; empty where there is none."""
    try:
        document = parse_json(body)
    except Undecodable:
        return ""
    key = document.get(_KEY) if isinstance(document, Mapping) else None
    return key if isinstance(key, str) else ""


def prepared(call: str) -> Callable[[Any], Any]:
    """What makes a body of this call one that the mapping reads: with its type, and without its key."""

    def document(found: Any) -> Any:
        if not isinstance(found, Mapping):
            return found
        rest = {name: value for name, value in found.items() if name != _KEY}
        if isinstance(messages := rest.get(_BATCH), list):
            rest[_BATCH] = [_without_key(one) for one in messages]
        return rest if call == _BATCH or _BATCH in rest else {"type": call, **rest}

    return document


def _without_key(message: Any) -> Any:
    return {n: v for n, v in message.items() if n != _KEY} if isinstance(message, Mapping) else message


def cross_origin(origin: str | None) -> dict[str, str]:
    """Headers of an answer that a page of this origin may read. None: no page may."""
    return {"Vary": "Origin"} | ({"Access-Control-Allow-Origin": origin} if origin else {})


def preflight(origin: str) -> dict[str, str]:
    """Headers by which a browser learns that pages of this origin may send."""
    return cross_origin(origin) | {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, AnonymousId, X-Retry-Count",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
