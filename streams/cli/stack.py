"""The whole stack on this machine, without Docker: what `touchstream up` runs."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.broker import Broker
from deploy.local.clickhouse import ClickHouse
from deploy.local.data_directory import DataDirectory
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.supervisor import Child, Supervisor
from streams.prepare import prepare
from streams.settings import Settings

_LANES_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 1.0


class NotReady(RuntimeError):  # noqa: N818 - said to a person
    """The stack runs, but its workers do not own all lanes in time."""


@dataclass(frozen=True)
class Addresses:
    """Where the running stack answers."""

    kafka: str
    clickhouse: str
    metrics: tuple[str, ...]
    worker_pids: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """As the ready file has it; `metrics` is the first worker's, `workers_metrics` are all."""
        return {
            "kafka": self.kafka,
            "clickhouse": self.clickhouse,
            "gateway": None,
            "page": None,
            "metrics": self.metrics[0],
            "workers_metrics": list(self.metrics),
            "worker_pids": list(self.worker_pids),
        }


class Stack:
    """Broker, ClickHouse and workers as child processes; use `running`."""

    def __init__(self, settings: Settings, data: DataDirectory, workers: int) -> None:
        broker = Broker(free_port(9092))
        clickhouse = ClickHouse(data.clickhouse, free_port(8123))
        self.settings = settings.model_copy(
            update={
                "kafka_url": broker.url,
                "clickhouse_url": clickhouse.url(),
                "data_dir": data.path,
                # The local broker's topics are made at every start: one lane at least for each worker.
                "partitions": max(settings.partitions, workers),
            }
        )
        self.supervisor = Supervisor(data.logs)
        self.supervisor.add(replace(broker.child(), restarted=self._prepare)).add(clickhouse.child())
        self._workers = [f"worker-{number}" for number in range(1, workers + 1)]
        self._metrics: list[str] = []
        for name in self._workers:
            self._add_worker(name)

    def start(self, say: Callable[[str], None]) -> None:
        """Start everything in order and wait until the workers own all lanes. Raises ChildError, NotReady."""
        say("starting broker and ClickHouse")
        self.supervisor.start("broker", "clickhouse")
        self._prepare()
        say(f"starting {len(self._workers)} workers")
        self.supervisor.start(*self._workers)
        deadline = time.monotonic() + _LANES_SECONDS
        while self._lanes_owned() < self.settings.partitions:
            if time.monotonic() > deadline:
                raise NotReady("the workers do not own all lanes after a minute; see the logs in the data directory")
            self.supervisor.tick()
            time.sleep(_LOOK_SECONDS)

    def addresses(self) -> Addresses:
        """Where everything answers now; a worker that is being started again is left out."""
        pids = tuple(pid for name in self._workers if (pid := self.supervisor.pid(name)) is not None)
        return Addresses(self.settings.kafka_url, self.settings.clickhouse_url, tuple(self._metrics), pids)

    def _prepare(self) -> None:
        for _ in prepare(self.settings):
            pass

    def _add_worker(self, name: str) -> None:
        port = free_port(self.settings.metrics_port + len(self._metrics))
        url = f"http://{LOOPBACK}:{port}/metrics"
        self._metrics.append(url)
        environment = {
            "TOUCHSTREAM_KAFKA_URL": self.settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": self.settings.clickhouse_url,
            "TOUCHSTREAM_DATA_DIR": str(self.settings.data_dir),
            "TOUCHSTREAM_METRICS_PORT": str(port),
        }
        argv = (sys.executable, "-m", "streams.cli", "worker")
        self.supervisor.add(Child(name, argv, ready=lambda: _scraped(url) is not None, env=environment))

    def _lanes_owned(self) -> float:
        return sum(_gauge(_scraped(url) or "", "touchstream_lanes_owned") for url in self._metrics)


@contextmanager
def running(settings: Settings, directory: Path, workers: int, say: Callable[[str], None]) -> Iterator[Stack]:
    """A stack that runs in the block and leaves nothing behind. Raises what `Stack.start` and DataDirectory raise."""
    with DataDirectory(directory) as data:
        stack = Stack(settings, data, workers)
        with stack.supervisor:
            stack.start(say)
            yield stack


def write_ready_file(path: Path, addresses: Addresses) -> None:
    """One JSON object, there in whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(addresses.document()) + "\n", encoding="utf-8")
    partial.replace(path)


def _scraped(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own loopback address
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


def _gauge(text: str, name: str) -> float:
    families = text_string_to_metric_families(text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)
