"""Whose broker is on a port. Bytes by hand: a command asks this before each look, and loads no Kafka client for it."""

import socket
import struct

_API_VERSIONS = 18  # Kafka's request for what a broker can do; any version of any broker answers version 0
_METADATA = 3
_METADATA_VERSION = 2  # the first whose answer holds the cluster's id
STACK = "touchstream-"
_CLIENT = b"touchstream"
_ANSWER_BYTES_MAX = 1 << 20
_ANSWER_SECONDS = 1.0


def stack_of(host: str, port: int) -> str | None:
    """The id of the local stack whose broker is there; None for any other broker, and for none."""
    no_topics = struct.pack(">i", 0)
    answer = _answer(host, port, _METADATA, _METADATA_VERSION, no_topics)
    try:
        cluster = _cluster_id(answer) if answer else None
    except (struct.error, ValueError):
        return None
    return cluster.removeprefix(STACK) if cluster and cluster.startswith(STACK) else None


def speaks_kafka(host: str, port: int) -> bool:
    """Whether what is on the port speaks Kafka's protocol."""
    answer = _answer(host, port, _API_VERSIONS, 0, b"")
    return answer is not None and answer[:2] == b"\0\0"  # no error


def _answer(host: str, port: int, request: int, version: int, body: bytes) -> bytes | None:
    """What a broker answers, behind the correlation id; None if there is none or it isn't Kafka's protocol."""
    correlation = 1
    head = struct.pack(f">hhih{len(_CLIENT)}s", request, version, correlation, len(_CLIENT), _CLIENT)
    try:
        with socket.create_connection((host, port), _ANSWER_SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(head + body)) + head + body)
            with connection.makefile("rb") as stream:
                size, same = struct.unpack(">ii", stream.read(8))
                if same != correlation or not 4 < size <= _ANSWER_BYTES_MAX:
                    return None
                return stream.read(size - 4)
    except (OSError, struct.error):
        return None


def _cluster_id(metadata: bytes) -> str | None:
    """The cluster's id in an answer to Metadata, version 2; None if it has none. Raises struct.error, ValueError."""
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(form, metadata, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str | None:
        nonlocal at
        length = number(">h")
        if length < 0:
            return None
        at += length
        return metadata[at - length : at].decode()

    for _ in range(number(">i")):
        number(">i")  # the broker's id, then host, port and rack
        text()
        number(">i")
        text()
    return text()
