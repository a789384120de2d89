"""API keys: who may send events, and who may read people. The file holds their hashes only."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from streams.settings import SettingsError

log = structlog.get_logger(__name__)

KEY_PREFIX: Final = "touchstream_"  # lets scanners of code and logs find a key that leaked
KEY_BYTES: Final = 32
"""Of randomness. Nobody guesses 256 bits, so that one round of SHA-256 protects them: a slow hash is for passwords."""
KEYS_MAX: Final = 1_000
"""Every one is compared with at each request."""
KEY_FILE_BYTES_MAX: Final = 1024 * 1024

_NAME = r"[A-Za-z0-9._-]{1,64}"
_LINE = re.compile(rf"({_NAME})\s+sha256:([0-9a-f]{{64}})(?:\s+((?:send|read)(?:,(?:send|read))*))?")


class Permission(StrEnum):
    """What a key may be used for."""

    SEND = "send"
    READ = "read"


LEAST: Final = frozenset({Permission.SEND})
"""The permissions of a key whose line names none: to send events tells nobody anything of people."""


class KeyFileError(SettingsError):
    """The file of keys can't be used; the message is one line that names it and says what to do."""


@dataclass(frozen=True)
class Key:
    """Whose key it is, and the SHA-256 of it. Two keys may have one name: the old and the new one of a change."""

    owner: str
    digest: bytes
    may: frozenset[Permission] = LEAST


def new_key() -> str:
    """A key that nobody has seen."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def permissions(text: str) -> frozenset[Permission]:
    """Those of a line, or of the command's option: `send`, `read` or `send,read`. Raises KeyFileError."""
    try:
        return frozenset(Permission(name.strip()) for name in text.split(","))
    except ValueError:
        raise KeyFileError(f"{text!r} are no permissions: take send, read or send,read") from None


def key_line(owner: str, key: str, may: Iterable[Permission] = LEAST) -> str:
    """The line for the file of keys. Raises KeyFileError for a name that can't stand there."""
    if not re.fullmatch(_NAME, owner):
        raise KeyFileError(f"{owner!r} can't name a key: take 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    may = frozenset(may)
    named = "" if may == LEAST else " " + ",".join(one for one in Permission if one in may)
    return f"{owner} sha256:{_digest(key).hex()}{named}"


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file: one a line, empty lines and those that begin with # left out. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            text = file.read(KEY_FILE_BYTES_MAX + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: can't be read: {error}") from error
    if len(text) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path}: is over {KEY_FILE_BYTES_MAX} bytes; is it a file of keys?")
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            # The line isn't shown: it may be a key that somebody pasted in plain text.
            raise KeyFileError(
                f"{path}:{number}: must be NAME sha256:HEX [PERMISSIONS]; `touchstream gateway key NAME` writes it"
            )
        keys.append(Key(match[1], bytes.fromhex(match[2]), permissions(match[3]) if match[3] else LEAST))
    if not 1 <= len(keys) <= KEYS_MAX:
        raise KeyFileError(f"{path}: has {len(keys)} keys, not 1 to {KEYS_MAX}; `touchstream gateway key` makes one")
    return tuple(keys)


class KeyFile:
    """The keys of a file, read again when it changes: a key is withdrawn by deleting its line.

    A file that can't be read any more changes nothing; the log says so.
    """

    def __init__(self, path: Path) -> None:
        """Raises KeyFileError."""
        self._path = path
        self._version = _version(path)
        self._keys = read_keys(path)

    def find(self, key: str) -> Key | None:
        """This key as the file has it, None if it is nobody's. It takes as long for any key."""
        self._read_again()
        presented = _digest(key)
        found = None
        for known in self._keys:
            if hmac.compare_digest(presented, known.digest):
                found = known
        return found

    def _read_again(self) -> None:
        version = _version(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._keys = read_keys(self._path)
        except KeyFileError as error:
            log.warning("the keys stay as they were", error=str(error))
        else:
            log.info("keys read again", keys=len(self._keys))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  half the cost of Path.stat, at each request
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
