"""The lines of a file of API keys: whose key it is (by its hash), what it is for, and until when."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote

from touchstream.schemas.times import moment
from touchstream.streams.channels.judged import ANYTHING, Bounds
from touchstream.streams.process.settings import SettingsError

KEY_PREFIX: Final = "touchstream_"  # lets scanners of code and logs find a key that leaked
KEY_BYTES: Final = 32
"""Random bytes of a key. 256 bits can't be guessed, so one round of SHA-256 suffices: slow hashes are for passwords."""

_NAME: Final = r"[A-Za-z0-9._-]{1,64}"
_LINE: Final = re.compile(
    rf"({_NAME})\s+sha256:([0-9a-f]{{64}})(?:\s+((?:send|read)(?:,(?:send|read))*))?((?:\s+[a-z]+=[^\s=]+)*)"
)
_ORIGIN: Final = re.compile(r"https?://[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[1-9]\d{0,4})?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Permission(StrEnum):
    """What a key may be used for."""

    SEND = "send"
    READ = "read"


LEAST: Final = frozenset({Permission.SEND})
"""The permissions of a key whose line names none: sending events reveals nothing about people."""


class KeyFileError(SettingsError):
    """The file of keys, or a line for it, can't be used; the message is one line that says what to do."""


BOUNDED: Final = ("channels", "actions", "sources")
"""What a line may bound, as it is written there."""


@dataclass(frozen=True)
class Key:
    """Whose key it is, and the SHA-256 of it. Two keys may have one name: the old and the new one of a change.

    expires_at, created_at: UTC; the key is refused from `expires_at` on. origins: the web pages that may use it, as
    browsers name them; such a key is public, and useless to anything that names no origin. None: it is for programs.
    """

    owner: str
    digest: bytes
    may: frozenset[Permission] = LEAST
    bounds: Bounds = ANYTHING
    created_at: datetime | None = None
    expires_at: datetime | None = None
    origins: frozenset[str] | None = None


def new_key() -> str:
    """A key that has never been seen."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def digest_of(key: str) -> bytes:
    """What the file knows a key by."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def permissions(text: str) -> frozenset[Permission]:
    """Those of a line, or of the command's option: `send`, `read` or `send,read`. Raises KeyFileError."""
    try:
        return frozenset(Permission(name.strip()) for name in text.split(","))
    except ValueError:
        raise KeyFileError(f"{text!r} are no permissions: take send, read or send,read") from None


def key_line(
    owner: str,
    key: str,
    may: Iterable[Permission] = LEAST,
    bounds: Bounds = ANYTHING,
    created_at: datetime | None = None,
    expires_at: datetime | None = None,
    origins: frozenset[str] | None = None,
) -> str:
    """The line for the file of keys. Raises KeyFileError for a name or an origin that can't stand there."""
    if not re.fullmatch(_NAME, owner):
        raise KeyFileError(f"{owner!r} can't name a key: take 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    may = frozenset(may)
    parts = [owner, f"sha256:{digest_of(key).hex()}"]
    if may != LEAST:
        parts.append(",".join(one for one in Permission if one in may))
    for name, at in (("created", created_at), ("expires", expires_at)):
        if at is not None:
            parts.append(f"{name}={at.astimezone(UTC).isoformat(timespec='seconds').replace('+00:00', 'Z')}")
    for name in BOUNDED:
        names = getattr(bounds, name)
        if names is not None:
            parts.append(f"{name}={','.join(quote(one, safe='') for one in sorted(names))}")
    if origins is not None:
        try:
            parts.append(f"origins={','.join(quote(one, safe='') for one in sorted(map(_origin, origins)))}")
        except ValueError as error:
            raise KeyFileError(str(error)) from None
    return " ".join(parts)


def parse_line(line: str) -> Key:
    """The key of a line. Raises ValueError for anything that isn't wholly understood; the message never quotes it."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(
            "must be NAME sha256:HEX [PERMISSIONS] [NAME=VALUE …]; `touchstream gateway key NAME` writes it"
        )
    key = Key(match[1], bytes.fromhex(match[2]), permissions(match[3]) if match[3] else LEAST)
    said: set[str] = set()
    for part in match[4].split():
        name, _, value = part.partition("=")
        if name in said:
            raise ValueError(f"{name} stands there twice")
        said.add(name)
        key = _with(key, name, value)
    return key


def expiry(text: str, now: datetime) -> datetime:
    """When a key ends: ISO 8601, or a span from now such as `90d` or `12h`. Raises KeyFileError."""
    span = re.fullmatch(r"(\d{1,5})([dh])", text)
    try:
        at = now + timedelta(days=int(span[1]) if span[2] == "d" else int(span[1]) / 24) if span else _moment(text)
    except (ValueError, OverflowError):
        raise KeyFileError(f"{text!r} is no time: take a date such as 2027-01-31, ISO 8601, or a span as 90d") from None
    if at <= now:
        raise KeyFileError(f"{text!r} has passed already; the key could never be used")
    return at


def _with(key: Key, name: str, value: str) -> Key:
    if name == "created":
        return replace(key, created_at=_moment(value))
    if name == "expires":
        return replace(key, expires_at=_moment(value))
    if name == "origins":
        return replace(key, origins=frozenset(_origin(unquote(one, errors="strict")) for one in value.split(",")))
    if name not in BOUNDED:
        # A line of a newer version may bound the key in a way that is not known here: it isn't used at all.
        raise ValueError(
            f"{name} isn't known; take created, expires, origins, {', '.join(BOUNDED[:-1])} or {BOUNDED[-1]}"
        )
    names = frozenset(unquote(one, errors="strict") for one in value.split(","))
    if name == "actions":
        names = frozenset(one.lower() for one in names)  # as events are read
    if "" in names:
        raise ValueError(f"{name} holds an empty name")
    return replace(key, bounds=replace(key.bounds, **{name: names}))


def _origin(text: str) -> str:
    """An origin as browsers write it."""
    if not _ORIGIN.fullmatch(text.lower()):
        raise ValueError("an origin must be https://HOST, with :PORT where it has one, and nothing behind that")
    return text.lower()


def _moment(text: str) -> datetime:
    """A time, UTC if it has no zone; a date alone is the end of its day."""
    try:
        at = moment(text)
        return (at + timedelta(days=1) if _DATE.fullmatch(text) else at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a time must be ISO 8601, such as 2027-01-31 or 2027-01-31T12:00:00Z") from None
