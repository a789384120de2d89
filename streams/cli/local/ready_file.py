"""`ready.json`: where a running stack answers, for programs. There in whole or not at all, for its owner alone.

ClickHouse's password is in it.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 1.0
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class ReadyFile:
    """The file at `path`. One that a stack left when it was killed goes at once.

    Raises OSError where it can't, or where there is no directory for a new one.
    """

    def __init__(self, path: Path, written_as: Callable[[Mapping[str, Any]], str] = json.dumps) -> None:
        self._path, self._written_as = path, written_as
        self._written: dict[str, Any] | None = None
        self._retry_at = 0.0
        self._failing = False
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such directory for the ready file", str(path.parent))
        path.unlink(missing_ok=True)

    def keep(self, content: Mapping[str, Any]) -> None:
        """Have it hold this. Without room on the disk the older content stays, and later calls try again.

        Raises OSError where the first one can't be written for another reason.
        """
        if content == self._written or time.monotonic() < self._retry_at:
            return
        try:
            self._write(self._written_as(content) + "\n")
        except OSError as error:
            if self._written is None and error.errno not in _NO_ROOM:
                raise
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            if not self._failing:
                log.warning("the ready file can't be written, trying again", file=str(self._path), error=error.strerror)
            self._failing = True
            return
        self._written, self._failing = dict(content), False

    def remove(self) -> None:
        """Remove the file: the stack is not ready any more."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        try:
            # It may hold passwords: never readable by others, not even before its mode is set.
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
            partial.replace(self._path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def netrc(content: Mapping[str, Any]) -> str:
    """ClickHouse's user and password as `curl --netrc-file` reads them."""
    url = urlsplit(content["clickhouse"])
    return f"machine {url.hostname} login {url.username} password {url.password}"
