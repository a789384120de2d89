"""Signatures of webhooks (HMAC, RFC 2104) as data: where they stand, what is signed, how old they may be. Pure.

Nothing of a secret, and nothing of a signature that was expected, is in any message.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, Self

from pydantic import AfterValidator, Field, model_validator

from touchstream.schemas.times import moment, since_epoch
from touchstream.streams.channels.formats.mapping import Strict

SECRET_BYTES_MIN: Final = 16
"""A shorter secret can be guessed from one signed message."""
SIGNATURES_MAX: Final = 20
"""Signatures of one header that are compared: a few keys in turn, never a header full of guesses."""
_NAME: Final = re.compile(r"\{([^{}]*)\}")
_BODY, _TIMESTAMP = "body", "timestamp"
_MS_OF: Final = {"seconds": 1_000, "milliseconds": 1}


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name):
        raise ValueError("is no name of a header: take 1 to 100 of the characters A-Z a-z 0-9 -")
    return name.lower()


HeaderName = Annotated[str, AfterValidator(_header_name)]


class SignatureTime(Strict):
    """When a message was signed: a header of its own, or the part of the signature's header behind `prefix`.

    tolerance_seconds: how far that may be from the gateway's clock, before or behind; an older message is a replay.
    """

    header: HeaderName | None = None
    prefix: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    format: Literal["seconds", "milliseconds", "iso"] = "seconds"
    tolerance_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Self:
        if (self.header is None) == (self.prefix is None):
            raise ValueError("give header, or prefix for a part of the signature's header; one of them")
        return self


class SignatureForm(Strict):
    """How a system signs its messages.

    header: where the signature stands, written as `encoding`, behind `prefix`. separator: what stands between several
    parts of that header, of which those with the prefix are signatures. signed: what is signed, with `{body}` (the
    bytes as they came), `{timestamp}` and `{header-name}`. secret_encoding, secret_prefix: how secrets are written.
    """

    header: HeaderName
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=20)] = ""
    separator: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    signed: Annotated[str, Field(max_length=200, pattern=r"^[ -~\n]*$")] = "{body}"
    timestamp: SignatureTime | None = None
    secret_encoding: Literal["text", "base64"] = "text"  # noqa: S105  how it is written, and no secret
    secret_prefix: Annotated[str, Field(max_length=20)] = ""

    @model_validator(mode="after")
    def _signs_what_it_uses(self) -> Self:
        names = _NAME.findall(self.signed)
        if names.count(_BODY) != 1:
            raise ValueError("signed: must have {body} once: what is not signed can be exchanged")
        if (self.timestamp is not None) != (_TIMESTAMP in names):
            raise ValueError("signed: must have {timestamp} if timestamp says where it stands, and only then")
        if self.timestamp is not None and self.timestamp.prefix is not None and self.separator is None:
            raise ValueError("timestamp: a part of the signature's header needs separator, which parts it")
        for name in names:
            if name not in (_BODY, _TIMESTAMP):
                _header_name(name)
        return self

    def key(self, secret: str) -> bytes:
        """A secret as the key of its HMAC. Raises ValueError, which quotes nothing."""
        text = secret.strip().removeprefix(self.secret_prefix)
        try:
            found = text.encode() if self.secret_encoding == "text" else base64.b64decode(text, validate=True)  # noqa: S105
        except (binascii.Error, ValueError):
            raise ValueError("a secret is no base64") from None
        if len(found) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret has {len(found)} bytes; take at least {SECRET_BYTES_MIN}")
        return found


class SignatureRefused(Exception):  # noqa: N818  it says what happened
    """A message is not known to be from whom it says; the message tells the sender what is wrong."""


class Headers(Protocol):
    """The headers of a request, by their names in lower case."""

    def getlist(self, key: str) -> list[str]:
        """All values of a header."""
        ...


@dataclass(frozen=True)
class Claim:
    """What a request's headers claim, before its body is read: its signatures, and what stands around the body."""

    signatures: tuple[bytes, ...]
    before: bytes
    after: bytes


class Verifier:
    """Checks messages that are signed in one form, with any of several secrets: the old and the new one of a change."""

    def __init__(self, form: SignatureForm, secrets: Sequence[str]) -> None:
        """Raises ValueError where there is no secret, or one that can't be used."""
        if not secrets:
            raise ValueError("there is no secret")
        self.form = form
        self._keys = [form.key(secret) for secret in secrets]

    def claim(self, headers: Headers, now_ms: int) -> Claim:
        """What the headers claim at this time (ms since 1970). Raises SignatureRefused where they can't be right."""
        form = self.form
        given = _only(headers, form.header)
        parts = [part.strip() for part in given.split(form.separator)] if form.separator else [given]
        signatures = [text for part in parts if part.startswith(form.prefix) if (text := part[len(form.prefix) :])]
        if not signatures or len(signatures) > SIGNATURES_MAX:
            wanted = f" that begins with {form.prefix}" if form.prefix else ""
            raise SignatureRefused(f"the header {form.header} has no signature{wanted}, or more than {SIGNATURES_MAX}")
        said = {name: _only(headers, name) for name in _NAME.findall(form.signed) if name not in (_BODY, _TIMESTAMP)}
        if form.timestamp is not None:
            said[_TIMESTAMP] = _timestamp(form.timestamp, headers, parts, now_ms)
        before, _, after = form.signed.partition("{body}")
        written = [part.encode("latin-1", "replace") for part in signatures]
        return Claim(tuple(written), _filled(before, said), _filled(after, said))

    def check(self, claim: Claim, body: bytes) -> None:
        """Compare each signature with each secret's, in the same time wherever they differ. Raises SignatureRefused."""
        message = claim.before + body + claim.after
        found = False
        for key in self._keys:
            expected = _WRITTEN[self.form.encoding](hmac.digest(key, message, self.form.algorithm))
            for signature in claim.signatures:
                given = signature.lower() if self.form.encoding == "hex" else signature
                found |= hmac.compare_digest(expected, given)
        if not found:
            raise SignatureRefused("the signature is not that of this body: was it changed, or signed by another key?")


_WRITTEN: Final[Mapping[str, Callable[[bytes], bytes]]] = {"hex": binascii.hexlify, "base64": base64.b64encode}


def _only(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    if len(values) != 1 or not values[0].strip():
        raise SignatureRefused(f"the header {name} must be there once")
    return values[0].strip()


def _timestamp(where: SignatureTime, headers: Headers, parts: Sequence[str], now_ms: int) -> str:
    """The text of the time, as it is signed. Raises SignatureRefused for one that is too far from now."""
    if where.header is not None:
        text = _only(headers, where.header)
    else:
        prefix = where.prefix or ""
        found = [part.removeprefix(prefix) for part in parts if part.startswith(prefix)]
        if len(found) != 1:
            raise SignatureRefused(f"the signature must have one time, which begins with {prefix}")
        text = found[0]
    at_ms = _ms_of(text, where.format)
    if at_ms is None:
        raise SignatureRefused(f"the time of the signature is no {where.format}")
    off_seconds = abs(now_ms - at_ms) / 1_000
    if off_seconds > where.tolerance_seconds:
        raise SignatureRefused(
            f"it was signed {off_seconds:.0f} s from now by the gateway's clock; the tolerance is"
            f" {where.tolerance_seconds} s: send it as soon as it is signed"
        )
    return text


def _ms_of(text: str, form: str) -> int | None:
    try:
        if form == "iso":
            return since_epoch(moment(text))
        return int(text) * _MS_OF[form] if re.fullmatch(r"\d{1,15}", text, re.ASCII) else None
    except (ValueError, OverflowError):
        return None


def _filled(template: str, said: Mapping[str, str]) -> bytes:
    return _NAME.sub(lambda found: said[found[1]], template).encode("latin-1", "replace")
