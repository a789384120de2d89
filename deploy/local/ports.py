"""Ports of the loopback interface."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"

_PATH_BYTES_MAX = 4096
_claims: dict[int, int] = {}
_held: dict[int, tuple[Path, socket.socket]] = {}


def free_port(preferred: int = 0) -> int:
    """`preferred` if nothing listens there, else a free port that the system chooses (always one for 0).

    A preferred port that was given to a process is not given to another one while that lives, for a server needs a
    moment until it listens.
    """
    if preferred and _listening_works(preferred) and _claim(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        chosen: int = probe.getsockname()[1]
        return chosen


def hold(port: int, directory: Path) -> bool:
    """Keep a port, until this process ends, for a child that serves `directory` and listens with SO_REUSEPORT.

    Nothing listens while the child doesn't run, and no process of another user can. False if another one has the port.
    """
    if port in _held:
        return _held[port][0] == directory
    kept = socket.socket()
    try:
        # Connections of a server that was there before are no obstacle, another process's hold is one, and so is ours
        # to others: both options count for the moment at which one binds.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind((LOOPBACK, port))
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        kept.close()
        return False
    _held[port] = directory, kept
    return True


def note(port: int, directory: Path) -> None:
    """Say that the stack of this data directory has the port, where `free_port` gave it as the preferred one."""
    if port in _claims:
        text = os.fsencode(directory)
        os.ftruncate(_claims[port], 0)
        os.pwrite(_claims[port], text, 0)


def noted(port: int) -> Path | None:
    """The data directory of the stack of this user that had the port last; whether it runs is for others to say."""
    try:
        file = os.open(_claim_path(port), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        text = os.read(file, _PATH_BYTES_MAX) if os.fstat(file).st_uid == os.getuid() else b""
    finally:
        os.close(file)
    return Path(os.fsdecode(text)) if text.startswith(b"/") else None


def _claim_path(port: int) -> Path:
    return Path(tempfile.gettempdir()) / f"touchstream-port-{port}.{os.getuid()}"


def _listening_works(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port with connections of the past, but no listener, is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def _claim(port: int) -> bool:
    """Lock the port's file until this process ends; False if another process has it, or another user owns the file."""
    if port in _claims:
        return True
    try:
        lock = os.open(_claim_path(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    os.ftruncate(lock, 0)  # whoever had it before is gone
    _claims[port] = lock
    return True
