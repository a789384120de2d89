"""`--data DIR`: where the local stack keeps its rows and its logs, for one stack at a time and its user alone."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.private_files import make_private


class DataDirectoryInUseError(RuntimeError):
    """Another local stack runs on the same directory; the message says which and what to do."""


class DataDirectory:
    """`DIR/clickhouse`, `DIR/logs` and the lock `DIR/lock`.

    `with DataDirectory(path) as data:` makes what is missing and holds the lock until the end of the block. The lock
    is the kernel's (flock): a process that was killed leaves none behind.

    Raises DataDirectoryInUseError if another process holds it, OSError if the directory can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.clickhouse = self.path / "clickhouse"
        self.logs = self.path / "logs"
        self._lock: int | None = None

    def __enter__(self) -> Self:
        # One that is there may hold other things as well, and stays as open as it is; what is ours in it is closed.
        if not self.path.exists():
            make_private(self.path)
        for directory in (self.clickhouse, self.logs):
            make_private(directory)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DataDirectoryInUseError(
                f"{self.path} is in use by another local stack (process {holder}): "
                "end that one, or give this one a directory of its own with --data"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
