"""Apache Kafka in KRaft mode: every node is broker and controller, with its log in a directory that outlives it."""

import base64
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.kafka.distribution import java, libraries
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import Child

# A quarter of a test machine's memory and a quick start: nobody measures the broker's speed here.
_JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG_OPTIONS = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
_FORMAT_SECONDS_MAX = 120
_ANSWER_MS_MAX = 2000
REPLICATION_MAX = 3


@dataclass(frozen=True)
class Node:
    """One process: its number from 1 on, and its ports for clients and for the other controllers.

    behind_port: where it listens for clients that come through a proxy, whom it tells to come back by `proxy_port`.
    """

    number: int
    port: int
    controller_port: int
    behind_port: int | None = None
    proxy_port: int | None = None


@dataclass(frozen=True)
class ApacheKafka:
    """A cluster with its logs in `directory`: the same directory again is the same cluster, with its records.

    `settings` are lines of every node's server.properties beside our own.
    """

    directory: Path
    nodes: tuple[Node, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Path, nodes: int = 1, settings: Mapping[str, str] | None = None) -> "ApacheKafka":
        """With `nodes` nodes on free ports."""
        ports = tuple(Node(number, free_port(), free_port()) for number in range(1, nodes + 1))
        return cls(directory, ports, settings or {})

    def behind(self, proxy: Callable[[int], int]) -> "ApacheKafka":
        """The same with a second listener on each node. proxy: from the port that this is on to the proxy's own."""
        ports = [(node, free_port()) for node in self.nodes]
        nodes = (replace(node, behind_port=port, proxy_port=proxy(port)) for node, port in ports)
        return replace(self, nodes=tuple(nodes))

    @property
    def bootstrap(self) -> str:
        """`host:port` of every node, with commas between, as Kafka clients want it."""
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    @property
    def url(self) -> str:
        """As the setting KAFKA_URL wants it."""
        return f"kafka://{self.bootstrap}"

    @property
    def proxied_url(self) -> str:
        """As the setting KAFKA_URL wants it, for clients that come through the proxies; see `behind`."""
        return "kafka://" + ",".join(f"{LOOPBACK}:{node.proxy_port}" for node in self.nodes)

    def child(self, name: str = "kafka") -> Child:
        """The process of a cluster of one node. Raises KafkaMissingError."""
        (only,) = self.children(name)
        return only

    def children(self, name: str = "kafka") -> tuple[Child, ...]:
        """The processes, to be started together: a node is ready when most others are. Raises KafkaMissingError.

        The first call formats the directories, which takes some seconds.
        """
        if not all(self._home(node).exists() for node in self.nodes):
            self._format()
        single = len(self.nodes) == 1
        return tuple(self._child(node, name if single else f"{name}-{node.number}") for node in self.nodes)

    def registered(self, node: Node) -> bool:
        """Whether the node answers and knows itself as one of the cluster."""
        if not Broker(node.port).answers():
            return False
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=f"{LOOPBACK}:{node.port}",
                bootstrap_timeout_ms=_ANSWER_MS_MAX,
                request_timeout_ms=_ANSWER_MS_MAX,
            )
        except KafkaError:
            return False
        try:
            return any(broker["broker_id"] == node.number for broker in admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()

    def _child(self, node: Node, name: str) -> Child:
        return Child(
            name=name,
            argv=_kafka("kafka.Kafka", str(self._properties_file(node))),
            ready=lambda: self.registered(node),
            ready_seconds=120.0,
            grace_seconds=20.0,
        )

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        self.directory.mkdir(parents=True, exist_ok=True)
        for node in self.nodes:
            arguments = ("format", f"--cluster-id={cluster_id}", "--config", str(self._properties_file(node)))
            command = _kafka("kafka.tools.StorageTool", *arguments)
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS_MAX, check=False)
            assert done.returncode == 0, f"{self._home(node)} can't be formatted: {done.stderr[-2000:]}"

    def _properties(self, node: Node) -> dict[str, str]:
        """server.properties, of which everything not named here is Kafka's default."""
        voters = (f"{one.number}@{LOOPBACK}:{one.controller_port}" for one in self.nodes)
        replication = min(len(self.nodes), REPLICATION_MAX)
        listeners = f"PLAINTEXT://{LOOPBACK}:{node.port}"
        advertised = listeners
        if node.behind_port is not None:
            listeners += f",PROXIED://{LOOPBACK}:{node.behind_port}"
            advertised += f",PROXIED://{LOOPBACK}:{node.proxy_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{node.controller_port}",
            "advertised.listeners": advertised,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._home(node)),
            # Internal topics ask for three nodes and fifty partitions, of which tests need no more than one.
            "offsets.topic.replication.factor": str(replication),
            "transaction.state.log.replication.factor": str(replication),
            "transaction.state.log.min.isr": str(replication // 2 + 1),
            "transaction.state.log.num.partitions": "4",
            "offsets.topic.num.partitions": "1",
            # What is acknowledged stands on one node more than may be lost.
            "min.insync.replicas": str(replication // 2 + 1),
            # A group's first join would wait three seconds for others.
            "group.initial.rebalance.delay.ms": "0",
            **self.settings,
        }

    def _properties_file(self, node: Node) -> Path:
        # Written anew each time: the ports may be others than at the last start.
        file = self.directory / f"node-{node.number}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self._properties(node).items()))
        return file

    def _home(self, node: Node) -> Path:
        return self.directory / f"node-{node.number}"


def _kafka(program: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of Kafka's programs. Raises KafkaMissingError."""
    return (java(), *_JAVA_OPTIONS, *_LOG_OPTIONS, "-cp", f"{libraries()}/*", program, *arguments)
