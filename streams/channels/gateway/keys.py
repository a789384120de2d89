"""API keys: who may send events, and who may read people. The file holds their hashes only."""

from __future__ import annotations

import codecs
import hmac
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from touchstream.streams.channels.gateway.key_lines import Key, KeyFileError, digest_of, parse_line
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

KEYS_MAX: Final = 1_000
"""Most keys in a file: each request is compared with every key."""
KEY_FILE_BYTES_MAX: Final = 1024 * 1024
STALE_SECONDS_MAX: Final = 10.0
"""Seconds for which keys remain valid when their file can't be read: as long as replacing a file may take."""
_READ_AGAIN_SECONDS: Final = 5.0
"""Longest time between two reads of the file, also if it seems unchanged: some file systems record whole seconds."""


class KeysUnavailable(RuntimeError):  # noqa: N818  it says what happened
    """The file of keys has not been readable for too long: permissions are not known."""


@dataclass(frozen=True)
class KeyLines:
    """What a file of keys says: its keys, and what is wrong with the lines that can't be used."""

    keys: tuple[Key, ...]
    problems: tuple[str, ...]


def read_keys(path: Path) -> KeyLines:
    """The keys of a file: one a line, empty lines and those that begin with # left out.

    A line that isn't understood is a problem and no key, whatever stands beside it. Raises KeyFileError if the file
    as a whole can't be read. Nothing of a line is quoted: it may be a key that was pasted in plain text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: can't be read: {error}") from error
    if len(content) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path}: is over {KEY_FILE_BYTES_MAX} bytes; is it a file of keys?")
    keys: dict[bytes, Key] = {}
    problems = []
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = parse_line(line)
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
            continue
        if key.digest in keys:
            problems.append(f"{path}:{number}: has a key that an earlier line has; the earlier one is in force")
        elif len(keys) == KEYS_MAX:
            problems.append(f"{path}:{number}: there are more than {KEYS_MAX} keys")
        else:
            keys[key.digest] = key
    return KeyLines(tuple(keys.values()), tuple(problems))


class KeyFile:
    """The keys of a file, read again when it changes: a key is withdrawn by deleting its line.

    What the file says is in force at once, be it empty or broken in part. A file that can't be read at all is stale:
    its keys are used for STALE_SECONDS_MAX more, then none is.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises KeyFileError if the file can't be read, has a line that can't be used, or no key."""
        self._path, self._clock, self._now = path, clock, now
        self._version = _version(path)
        self._read_at = clock()
        self._stale_since: float | None = None
        self._problem = ""
        lines = read_keys(path)
        if lines.problems:
            raise KeyFileError(lines.problems[0])
        if not lines.keys:
            raise KeyFileError(f"{path}: has no keys; `touchstream gateway key NAME` makes one")
        self._keys = lines.keys
        self._note(lines)
        metrics.GATEWAY_KEYS_STALE.set_function(self._stale_seconds)
        if path.stat().st_mode & stat.S_IWOTH:
            log.warning("any user of this machine may add keys: chmod o-w", file=str(path))

    def find(self, key: str) -> Key | None:
        """This key as the file has it, None if the file doesn't have it. It takes as long for any key.

        Raises KeysUnavailable if the file couldn't be read for STALE_SECONDS_MAX.
        """
        self._read_again()
        if self._stale_seconds() > STALE_SECONDS_MAX:
            raise KeysUnavailable(self._problem)
        presented = digest_of(key)
        found = None
        for known in self._keys:
            if hmac.compare_digest(presented, known.digest):
                found = known
        return found

    def takes_pages_of(self, origin: str) -> bool:
        """Whether web pages of an origin may use one of the keys. False where the keys are not known now."""
        self._read_again()
        return self._stale_seconds() <= STALE_SECONDS_MAX and any(origin in (one.origins or ()) for one in self._keys)

    def has_expired(self, key: Key) -> bool:
        """Whether its time is over."""
        return key.expires_at is not None and key.expires_at <= self._now()

    def problem(self) -> str:
        """Why not all that the file should say is known now; empty if it is. Nothing of the file's content."""
        self._read_again()
        return self._problem

    def _read_again(self) -> None:
        version = _version(self._path)
        now = self._clock()
        if version is not None and version == self._version and now - self._read_at < _READ_AGAIN_SECONDS:
            return
        try:
            lines = read_keys(self._path)
        except KeyFileError as error:
            if self._stale_since is None:
                self._stale_since = now
                log.error("the file of keys can't be read; its keys end soon", error=str(error), **_BOUND)  # noqa: TRY400
            self._version = None
            self._problem = "the file of API keys can't be read"
            return
        if self._stale_since is not None or lines.keys != self._keys:
            log.info("keys read again", keys=len(lines.keys))
        self._stale_since = None
        self._version, self._read_at = version, now
        self._keys = lines.keys
        self._note(lines)

    def _note(self, lines: KeyLines) -> None:
        problem = ""
        if lines.problems:
            problem = f"{len(lines.problems)} lines of the file of API keys can't be used"
        if problem != self._problem and problem:
            log.error("lines of keys can't be used; the others are in force", problems=lines.problems[:10])
        self._problem = problem
        metrics.GATEWAY_KEY_LINES_BROKEN.set(len(lines.problems))

    def _stale_seconds(self) -> float:
        return 0.0 if self._stale_since is None else self._clock() - self._stale_since


_BOUND: Final = {"seconds": STALE_SECONDS_MAX}


def _version(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  half the cost of Path.stat, at each request
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
