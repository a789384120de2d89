"""Ports of the loopback interface."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"

_claims: dict[int, int] = {}


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
    """Lock the port's file until this process ends; False if another process has it, or the file is somebody else's."""
    if port in _claims:
        return True
    path = Path(tempfile.gettempdir()) / f"touchstream-port-{port}.{os.getuid()}"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _claims[port] = lock
    return True
