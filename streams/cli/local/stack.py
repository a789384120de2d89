"""The whole stack on this machine, without Docker: what `touchstream up` runs."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from prometheus_client.parser import text_string_to_metric_families

from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.data_directory import DataDirectory
from touchstream.deploy.local.loopback import body, is_well
from touchstream.deploy.local.ports import LOOPBACK, free_port, note
from touchstream.deploy.local.supervisor import Child, Supervisor
from touchstream.streams.broker.topics import partition_count
from touchstream.streams.cli.local.identity import refuse_broker_of_a_stack, taken
from touchstream.streams.cli.local.ready_file import ReadyFile, netrc
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.settings_sources import READY_FILE
from touchstream.streams.upkeep.init import prepare

log = structlog.get_logger(__name__)
_Done = TypeVar("_Done")

_READY_SECONDS: Final = 180  # on a slow and busy machine
_LANES_SECONDS: Final = 120
_LOOK_SECONDS: Final = 0.1
DEMO_LATENESS_SECONDS: Final = 10.0
"""Lateness in a demo: alerts wait for complete windows, which would take a minute by default."""


class NotReady(RuntimeError):  # noqa: N818 - said to a person
    """The stack runs, but its workers do not own all lanes in time."""


@dataclass(frozen=True)
class Addresses:
    """Where the running stack answers, and which it is."""

    id: str
    data: str
    kafka: str
    clickhouse: str
    gateway: str
    page: str
    metrics: tuple[str, ...]
    watch: str
    worker_pids: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """As the ready file has it; `metrics` is the first worker's, `workers_metrics` are all."""
        return {
            "id": self.id,
            "pid": os.getpid(),
            "data": self.data,
            "kafka": self.kafka,
            "clickhouse": self.clickhouse,
            "gateway": self.gateway,
            "page": self.page,
            "metrics": self.metrics[0],
            "workers_metrics": list(self.metrics),
            "watch": self.watch,
            "worker_pids": list(self.worker_pids),
        }


class Stack:
    """Broker, ClickHouse, workers, watch, gateway and page as child processes; use `running`."""

    def __init__(
        self, settings: Settings, data: DataDirectory, workers: int, simulate: bool, kafka_url: str | None = None
    ) -> None:
        self._id = data.id
        self.notes: list[str] = []
        broker = None if kafka_url else Broker(self._port(9092, data.path), data.id)
        clickhouse = ClickHouse(data.clickhouse, self._port(8123, data.path))
        self.settings = settings.model_copy(
            update={
                "kafka_url": broker.url if broker else kafka_url,
                "clickhouse_url": clickhouse.url(),
                "data_dir": data.path,
                # Of topics that are made now, as the local broker's are at every start: one lane for each worker.
                "partitions": max(settings.partitions, workers),
                "lateness_seconds": _lateness_seconds(settings, simulate),
            }
        )
        self._commands: list[str] = []
        self._preparing = threading.Lock()
        self.supervisor = Supervisor(data.logs)
        self.supervisor.add(clickhouse.child())
        self._servers = ["clickhouse"]
        if broker:
            self.supervisor.add(replace(broker.child(), restarted=self._prepared))
            self._servers.insert(0, "broker")
        self._workers = [f"worker-{number}" for number in range(1, workers + 1)]
        self._metrics = [self._add(name, "worker", "metrics", "/metrics") for name in self._workers]
        self._gateway = self._add("gateway", "gateway", "gateway", "/healthz")
        notice = ("--notice", "Simulated customers: none of them exists.") if simulate else ()
        self._page = self._add("page", "page", "page", "/healthz", *notice)
        self._watch = self._add("watch", "watch", "watch", "/readyz")
        self._simulated = ("simulate",) if simulate else ()
        for name in self._simulated:
            self.supervisor.add(self._child(name, (name,), lambda: True, {}))

    def start(self, say: Callable[[str], None]) -> None:
        """Start everything in order and wait until the workers own all lanes. Raises ChildError, NotReady."""
        for line in self.notes:
            say(line)
        say(f"starting {' and '.join(self._servers)}")
        self.supervisor.start(*self._servers)
        for line in self._with_servers(self._prepared):
            if line.startswith("warning:"):
                say(line)
        say(f"starting workers ({len(self._workers)}), watch, gateway and page")
        # Workers first: joining their group takes the broker seconds, in which the others load.
        self.supervisor.start(*self._workers)
        self.supervisor.start("watch", "gateway", "page", *self._simulated)
        self._await_lanes()

    def _await_lanes(self) -> None:
        deadline = time.monotonic() + _LANES_SECONDS
        # Not the setting: the topic of a Kafka that was there before may have another number.
        lanes = self._with_servers(lambda: partition_count(self.settings.kafka_connection(), self.settings.topic))
        while self._lanes_owned() < lanes:
            if time.monotonic() > deadline:
                raise NotReady("the workers do not own all lanes after two minutes; see the logs in the data directory")
            self.supervisor.tick()
            time.sleep(_LOOK_SECONDS)

    def addresses(self) -> Addresses:
        """Where everything answers now; a worker that is being started again is left out."""
        return Addresses(
            id=self._id,
            data=str(self.settings.data_dir),
            kafka=self.settings.kafka_url,
            clickhouse=self.settings.clickhouse_url,
            gateway=_origin(self._gateway),
            page=_origin(self._page),
            metrics=tuple(self._metrics),
            watch=f"{_origin(self._watch)}/metrics",
            worker_pids=tuple(pid for name in self._workers if (pid := self.supervisor.pid(name)) is not None),
        )

    def _prepared(self) -> list[str]:
        """The report of `prepare`; run at the start or by the thread that sees to a restarted broker, never both."""
        with self._preparing:
            return list(prepare(self.settings))

    def _with_servers(self, work: Callable[[], _Done]) -> _Done:
        """The result of `work`, retried with the new server if a server died meanwhile."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            before = self._server_pids()
            try:
                return work()
            except Exception as error:
                if self._server_pids() == before and None not in before:
                    raise
                log.warning("a server died at the start, trying again", error=str(error))
            while not self.supervisor.is_ready(*self._servers):
                if time.monotonic() > deadline:
                    raise NotReady(
                        f"{' and '.join(self._servers)} don't stay alive; see the logs in the data directory"
                    )
                self.supervisor.tick()
                time.sleep(_LOOK_SECONDS)

    def _server_pids(self) -> list[int | None]:
        return [self.supervisor.pid(name) for name in self._servers]

    def _port(self, preferred: int, directory: Path) -> int:
        """A port for a server of this stack, which commands find by its directory."""
        port = free_port(preferred)
        note(port, directory)
        if port != preferred and (other := taken(preferred, directory)):
            self.notes.append(f"port {preferred} is that of the stack on {other}: taking {port}")
        return port

    def _add(self, name: str, command: str, kind: str, path: str, *arguments: str) -> str:
        """Add a component that answers HTTP on the port that the setting `kind`_port prefers; the URL of its `path`."""
        first = getattr(self.settings, f"{kind}_port")
        port = free_port(first and first + sum(one == command for one in self._commands))  # 0: any free one
        self._commands.append(command)
        url = f"http://{LOOPBACK}:{port}{path}"
        port_setting = {f"TOUCHSTREAM_{kind.upper()}_PORT": str(port)}
        child = self._child(name, (command, *arguments), lambda: body(url) is not None, port_setting)
        health = f"{_origin(url)}/healthz"
        self.supervisor.add(replace(child, well=lambda: is_well(health)))
        return url

    def _child(self, name: str, command: tuple[str, ...], ready: Callable[[], bool], more: dict[str, str]) -> Child:
        environment = {
            "TOUCHSTREAM_KAFKA_URL": self.settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": self.settings.clickhouse_url,
            "TOUCHSTREAM_DATA_DIR": str(self.settings.data_dir),
            **more,
        }
        return Child(
            name,
            (sys.executable, "-m", "touchstream.streams.cli", *command),
            ready=ready,
            env=environment,
            ready_seconds=_READY_SECONDS,
        )

    def _lanes_owned(self) -> float:
        return sum(_gauge(body(url) or "", "touchstream_lanes_owned") for url in self._metrics)


@contextmanager
def running(
    settings: Settings,
    directory: Path,
    workers: int,
    simulate: bool,
    say: Callable[[str], None],
    kafka_url: str | None = None,
    ready_file: Path | None = None,
) -> Iterator[tuple[Stack, Callable[[], None]]]:
    """A stack that runs in the block and leaves nothing behind, and what to call several times a second meanwhile.

    kafka_url: a Kafka that is there already; the local broker is not started then. ready_file: one more place for
    what `DIR/ready.json` holds. Raises what `Stack.start` and DataDirectory raise, OSError, and SettingsError where the
    Kafka is another stack's.
    """
    if kafka_url:
        refuse_broker_of_a_stack(kafka_url)
    with DataDirectory(directory) as data:
        # Where commands of the same user find the stack without being told, and curl its password.
        files = [ReadyFile(data.path / READY_FILE), ReadyFile(data.path / "netrc", netrc)]
        if ready_file and ready_file.absolute() != data.path / READY_FILE:
            files.append(ReadyFile(ready_file))
        stack = Stack(settings, data, workers, simulate, kafka_url)

        def tick() -> None:
            stack.supervisor.tick()
            for file in files:
                file.keep(stack.addresses().document())

        try:
            with stack.supervisor:
                stack.start(say)
                yield stack, tick
        finally:
            for file in files:
                file.remove()


def _lateness_seconds(settings: Settings, simulate: bool) -> float:
    """The lateness setting, with a shorter default in a demo so that windows are complete sooner."""
    given = settings.origins.get("lateness_seconds", "default") != "default"
    return DEMO_LATENESS_SECONDS if simulate and not given else settings.lateness_seconds


def _origin(url: str) -> str:
    return url[: url.index("/", len("http://"))]


def _gauge(text: str, name: str) -> float:
    """The sum of a gauge in a page of metrics; 0 where the text is none."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return 0.0
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)
