"""Ports of the loopback interface."""

import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """`preferred` if nothing listens there, else a free port that the system chooses (always one for 0)."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As servers do: a port with connections of the past, but no listener, is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
                probe.listen(1)
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise OSError("no free port on the loopback interface")
