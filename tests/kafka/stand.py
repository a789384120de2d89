"""What failure runs break: Kafka, ClickHouse and workers as processes, and a proxy on every way between them.

Workers and ClickHouse are started again when they die, as a supervisor in production does it; Kafka is not, so that a
fault can decide for how long it is away. The load and whoever takes the account go past the proxies.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.kafka.apache import ApacheKafka
from tests.kafka.choice import APACHE, own_broker
from tests.kafka.proxy import Proxy
from tests.support.stack import READY_SECONDS, eventually
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import Child, Process
from touchstream.deploy.local.supervisor import Supervisor
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import prepare

TOPIC: Final = "touchpoints"
_CLICKHOUSE: Final = "clickhouse"
_ANSWER_SECONDS: Final = 5.0
_WORKER_READY_SECONDS: Final = 180.0


class DidNotTakeError(RuntimeError):
    """The fault was not what it should have been; what the run shows proves nothing."""


@dataclass(frozen=True)
class Layout:
    """What a stand is made of.

    kafka_nodes: of Apache Kafka only. disk_bytes: of ClickHouse; None: the machine's. duplicate_ids_max: as the setting
    of this name.
    """

    workers: int = 2
    partitions: int = 4
    kafka_nodes: int = 1
    disk_bytes: int | None = None
    duplicate_ids_max: int = 0


@dataclass(frozen=True)
class WorkerPlace:
    """A worker's name, and where it answers; another process takes the place of one that died."""

    name: str
    url: str

    def gauge(self, name: str) -> float:
        """A metric's sum over its labels; 0 where the worker doesn't answer."""
        total = 0.0
        with suppress(httpx.TransportError):
            for family in text_string_to_metric_families(
                httpx.get(f"{self.url}/metrics", timeout=_ANSWER_SECONDS).text
            ):
                total += sum(sample.value for sample in family.samples if sample.name == name)
        return total

    @property
    def lanes(self) -> float:
        """That it owns."""
        return self.gauge("touchstream_lanes_owned")

    @property
    def state(self) -> str:
        """As /readyz says; empty where it doesn't answer."""
        with suppress(httpx.TransportError):
            return str(httpx.get(f"{self.url}/readyz", timeout=_ANSWER_SECONDS).json()["state"])
        return ""


class Stand:
    """Runs; see `running_stand`."""

    def __init__(self, directory: Path, layout: Layout, around: ExitStack) -> None:
        self.directory, self.layout = directory, layout
        clickhouse = ClickHouse(directory / _CLICKHOUSE, free_port())
        self.clickhouse_data = clickhouse.path
        self.clickhouse_url = clickhouse.url()
        """Past the proxy, as `kafka_url`."""
        self.clickhouse_proxy = around.enter_context(Proxy(clickhouse.port))
        self._clickhouse = clickhouse
        self.kafka, self.kafka_proxies, self.kafka_url, proxied = _kafka(directory, layout.kafka_nodes, around)
        self._worker_settings = {
            "TOUCHSTREAM_KAFKA_URL": proxied,
            "TOUCHSTREAM_CLICKHOUSE_URL": replace(clickhouse, port=self.clickhouse_proxy.port).url(),
            "TOUCHSTREAM_DATA_DIR": str(directory),
        }
        self.workers = [WorkerPlace(f"worker-{number}", _free_url()) for number in range(1, layout.workers + 1)]
        self.supervisor = Supervisor(directory / "logs")

    @property
    def worker_pids(self) -> list[int | None]:
        """In the order of `workers`; None for one that is just being started again."""
        return [self.supervisor.pid(worker.name) for worker in self.workers]

    @property
    def clickhouse_pid(self) -> int | None:
        """None while it is just being started again."""
        return self.supervisor.pid(_CLICKHOUSE)

    @property
    def lanes(self) -> float:
        """That have an owner."""
        return sum(worker.lanes for worker in self.workers)

    @property
    def whole(self) -> bool:
        """Whether every lane has an owner, and every worker its share of them."""
        owned = [worker.lanes for worker in self.workers]
        share = self.layout.partitions // len(owned)
        return sum(owned) == self.layout.partitions and min(owned) >= share

    @property
    def leader(self) -> int:
        """The number of the worker that does what one of all does: who owns lane 0. Raises DidNotTakeError."""
        for number, worker in enumerate(self.workers):
            with suppress(httpx.TransportError):
                if 'touchstream_lag_records{partition="0"}' in httpx.get(f"{worker.url}/metrics", timeout=5).text:
                    return number
        raise DidNotTakeError("nobody owned lane 0")

    def end_worker(self, number: int) -> float:
        """SIGTERM; when it had ended (monotonic seconds), having left the group. Another takes its place."""
        pid = self.worker_pids[number]
        assert pid is not None, f"{self.workers[number].name} did not run"
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: self.worker_pids[number] != pid)
        return time.monotonic()

    def worker_child(self, worker: WorkerPlace) -> Child:
        """The process of a worker."""
        return Child(
            name=worker.name,
            argv=(sys.executable, "-m", "touchstream.streams.cli", "worker"),
            ready=lambda: _answers(worker.url),
            env=self._worker_settings | {"TOUCHSTREAM_METRICS_PORT": worker.url.rpartition(":")[2]},
            ready_seconds=_WORKER_READY_SECONDS,
        )

    def supervise(self, started: threading.Event, stop: threading.Event) -> None:
        """Start everything but Kafka, and start again what dies, until `stop`. In one thread, the children's parent."""
        settings = Settings(
            kafka_url=self.kafka_url,
            clickhouse_url=self.clickhouse_url,
            partitions=self.layout.partitions,
            replication=self.layout.kafka_nodes,
            data_dir=self.directory,
            duplicate_ids_max=self.layout.duplicate_ids_max,
        )
        self.supervisor.add(self._clickhouse.child(_CLICKHOUSE))
        for worker in self.workers:
            self.supervisor.add(self.worker_child(worker))
        with self.supervisor:
            self.supervisor.start(_CLICKHOUSE)
            for _ in prepare(settings):
                pass
            self.supervisor.start(*(worker.name for worker in self.workers))
            started.set()
            self.supervisor.run_until(stop)


@contextmanager
def running_stand(directory: Path, layout: Layout) -> Iterator[Stand]:
    """Up in the block, every lane with an owner. Raises DidNotTakeError, or what kept it from starting."""
    with ExitStack() as around:
        if layout.disk_bytes is not None:
            around.enter_context(_small_disk(directory / _CLICKHOUSE, layout.disk_bytes))
        stand = Stand(directory, layout, around)
        around.enter_context(_supervised(stand))
        eventually(lambda: stand.whole, READY_SECONDS)
        yield stand


@contextmanager
def _supervised(stand: Stand) -> Iterator[None]:
    started, stop = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def run() -> None:
        try:
            stand.supervise(started, stop)
        except Exception as error:  # raised in the thread that waits
            errors.append(error)
            started.set()

    thread = threading.Thread(target=run, name="supervisor", daemon=True)
    thread.start()
    try:
        started.wait()
        if errors:
            raise errors[0]
        yield
    finally:
        stop.set()
        thread.join()


def _kafka(directory: Path, nodes: int, around: ExitStack) -> tuple[tuple[Process, ...], tuple[Proxy, ...], str, str]:
    """Its processes and the proxies before them; its URL, and the one through the proxies.

    The local broker has none: it tells every client to come back by its own port.
    """
    if not APACHE:
        broker = own_broker(directory)
        return _started((broker.child(),), directory, around), (), broker.url, broker.url
    proxies: list[Proxy] = []

    def before(port: int) -> int:
        proxies.append(around.enter_context(Proxy(port)))
        return proxies[-1].port

    cluster = ApacheKafka.of(directory / "kafka", nodes).behind(before)
    return _started(cluster.children(), directory, around), tuple(proxies), cluster.url, cluster.proxied_url


def _started(children: tuple[Child, ...], directory: Path, around: ExitStack) -> tuple[Process, ...]:
    """All at once: a node of several is ready when most of the others are."""
    processes = tuple(Process(child, directory / "logs") for child in children)

    def end() -> None:
        # Together, too: the last node of several would wait for the others.
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait_or_kill()

    around.callback(end)
    for process in processes:
        process.start()

    def ready() -> bool:
        for process in processes:
            process.await_ready()
        return all(process.ready for process in processes)

    eventually(ready, READY_SECONDS)
    return processes


@contextmanager
def _small_disk(directory: Path, size_bytes: int) -> Iterator[None]:
    """A file system of its own, in memory. Raises DidNotTakeError where this user may not mount one."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DidNotTakeError(f"no small disk can be had: {error}") from error
    if done.returncode:
        raise DidNotTakeError(f"no small disk can be had, which needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=False)


def _free_url() -> str:
    return f"http://{LOOPBACK}:{free_port()}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/metrics", timeout=_ANSWER_SECONDS).status_code == 200
    except httpx.TransportError:
        return False
