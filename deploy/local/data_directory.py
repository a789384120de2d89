"""`--data DIR`: where the local stack keeps its rows and its logs, for one stack at a time and its user alone."""

import fcntl
import os
import re
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from touchstream.deploy.local.private_files import make_private, write_private

_ID_FILE: Final = "stack.id"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_TRIES: Final = 10
_TRY_SECONDS: Final = 0.02


class DataDirectoryInUseError(RuntimeError):
    """Another local stack runs on the same directory; the message says which and what to do."""


class DataDirectory:
    """`DIR/clickhouse`, `DIR/logs`, the stack's id `DIR/stack.id` and the lock `DIR/lock`.

    `with DataDirectory(path) as data:` makes what is missing and holds the lock until the end of the block. The lock
    is the kernel's (flock): a process that was killed leaves none behind. `id` is random, and the same each time.

    Raises DataDirectoryInUseError if another process holds it, OSError if the directory can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.clickhouse = self.path / "clickhouse"
        self.logs = self.path / "logs"
        self.id = ""
        self._lock: int | None = None

    def __enter__(self) -> Self:
        # One that is there may hold other things as well, and stays as open as it is; what is ours in it is closed.
        if not self.path.exists():
            make_private(self.path)
        for directory in (self.clickhouse, self.logs):
            make_private(directory)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if not _locked(lock):
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DataDirectoryInUseError(
                f"{self.path} is in use by another local stack (process {holder}): "
                "end that one, or give this one a directory of its own with --data"
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        self.id = stack_id(self.path) or _made_id(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def stack_id(directory: Path) -> str | None:
    """The id of the stack whose data are in the directory; None where there never was one, or it can't be read."""
    try:
        text = (directory / _ID_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if _ID.fullmatch(text) else None


def holder(directory: Path) -> int | None:
    """The process id of the stack that runs on the directory now; None where none does, or it can't be read."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Had for an instant only; a stack that begins at this instant tries again.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(lock, 32, 0).strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another stack, or a command that looks for one
            time.sleep(_TRY_SECONDS)
        else:
            return True
    return False


def _made_id(directory: Path) -> str:
    made = secrets.token_hex(16)
    write_private(directory / _ID_FILE, f"{made}\n")
    return made
