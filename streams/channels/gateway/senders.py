"""Who sends a request: known by an API key or by a signature, within a rate of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.key_lines import Key, Permission
from touchstream.streams.channels.gateway.keys import KeyFile, KeysUnavailable
from touchstream.streams.channels.gateway.people import is_this_machine
from touchstream.streams.channels.gateway.places import RETRY_SECONDS
from touchstream.streams.channels.gateway.problems import Problem, come_back
from touchstream.streams.channels.gateway.rate import Rate
from touchstream.streams.channels.gateway.signatures import Claim, SignatureRefused
from touchstream.streams.channels.gateway.sources import WebhookSource
from touchstream.streams.channels.judged import ANYTHING, Bounds

NOBODY: Final = "nobody"
"""The sender where no keys are required."""


@dataclass(frozen=True)
class Sender:
    """A sender, and what it may send. sent_by: the name that its events carry; None where none is known."""

    owner: str
    sent_by: str | None = None
    bounds: Bounds = ANYTHING


class Senders:
    """Finds the sender of a request. keys None: no key is asked for. rate, byte_rate: events and bytes a second."""

    def __init__(self, keys: KeyFile | None, rate: Rate, byte_rate: Rate, clock_ms: Callable[[], int] = now_ms) -> None:
        self.keys, self._rate, self._byte_rate, self._clock_ms = keys, rate, byte_rate, clock_ms

    def of(self, request: Request, to: Permission = Permission.SEND) -> Sender:
        """The sender of a request, charged for one event in advance. Raises Problem: 401, 403, 429, 503."""
        sender = self._allowed(request, to)
        self.charge(sender)
        return sender

    def charge(self, sender: Sender) -> None:
        """Let the request of a sender in, for one event in advance. Raises Problem: 429."""
        for rate, what in ((self._rate, "events"), (self._byte_rate, "bytes")):
            wait_seconds = rate.wait_seconds(sender.owner)
            if wait_seconds:
                detail = f"more {what} a second than this key may send; retry in {wait_seconds:.1f} s"
                raise come_back(429, f"Too many {what}", detail, wait_seconds)
        self._rate.take(sender.owner, 1)

    def take_bytes(self, sender: Sender, sent: int) -> None:
        """Record bytes as sent."""
        self._byte_rate.take(sender.owner, sent)

    def take_events(self, sender: Sender, sent: int) -> None:
        """Record the events of a request as sent, of which one was charged in advance."""
        self._rate.take(sender.owner, max(0, sent - 1))

    def of_write_key(self, request: Request, key: str) -> Sender:
        """The same for Segment's paths, where web pages send, with a key that is made for their origin."""
        if self.keys is None:
            sender = self._allowed(request, Permission.SEND)
        else:
            if not key:
                raise _no_key("send the write key as the user name of Basic authentication, or as writeKey in the body")
            found = self._known(self.keys, key, request)
            if "origin" in request.headers and found.origins is None:
                raise _wrong_origin("this key is for programs; make one with --origin for web pages")
            sender = self._sender(found, Permission.SEND)
        self.charge(sender)
        return sender

    def takes_pages_of(self, origin: str) -> bool:
        """Whether web pages of an origin may send anything."""
        return self.keys is not None and self.keys.takes_pages_of(origin)

    def claimed(self, source: WebhookSource, request: Request) -> Claim:
        """What a request to a source that signs claims, before its body is read. Raises Problem: 401, 415."""
        assert source.verifier is not None  # noqa: S101
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Problem(415, "Unknown content encoding", "what is signed is the body as it is; send it uncompressed")
        try:
            return source.verifier.claim(request.headers, self._clock_ms())
        except SignatureRefused as error:
            raise _not_signed(str(error)) from None

    def signed(self, source: WebhookSource, claim: Claim, body: bytes) -> Sender:
        """The source that signed a body, charged as `of` does. Raises Problem: 401, 429."""
        assert source.verifier is not None  # noqa: S101
        try:
            source.verifier.check(claim, body)
        except SignatureRefused as error:
            raise _not_signed(str(error)) from None
        sender = Sender(source.owner, source.owner)
        self.charge(sender)
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
        if scheme.lower() != "bearer":
            raise _no_key("send a valid API key: Authorization: Bearer KEY")
        return self._sender(self._known(self.keys, key.strip(), request), to)

    def _sender(self, key: Key, to: Permission) -> Sender:
        if to not in key.may:
            detail = f"this key may not {to}: `touchstream gateway key NAME --may {to}` makes one that may"
            raise Problem(403, "Not with this key", detail)
        return Sender(key.owner, key.owner, key.bounds)

    def _known(self, keys: KeyFile, key: str, request: Request) -> Key:
        try:
            found = keys.find(key)
        except KeysUnavailable as error:
            raise come_back(503, "No key can be checked now", f"{error}; send it again later", RETRY_SECONDS) from None
        if found is None:
            raise _no_key("this is no API key of this gateway: send a valid one, `touchstream gateway key` makes them")
        if keys.has_expired(found):
            raise _no_key(f"this key expired at {found.expires_at:%Y-%m-%dT%H:%M:%SZ}; ask for a new one")
        if found.origins is not None and request.headers.get("origin") not in found.origins:
            raise _wrong_origin("this key is for web pages of other origins; its line names them")
        return found


def _no_key(detail: str) -> Problem:
    return Problem(401, "No valid API key", detail, {"WWW-Authenticate": 'Bearer realm="touchstream"'})


def _wrong_origin(detail: str) -> Problem:
    return Problem(403, "Not from this origin", detail)


def _not_signed(detail: str) -> Problem:
    return Problem(401, "No valid signature", detail, {"WWW-Authenticate": 'HMAC realm="touchstream"'})
