"""What is done to a running stack. A fault returns when it ended (monotonic seconds), or says why it did not take."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.process import Process
from tests.stack import RunningStack, eventually

_TAKES_SECONDS: Final = 60.0

Fault = Callable[[RunningStack], float]


class DidNotTakeError(RuntimeError):
    """The fault was not what it should have been; what the run shows proves nothing."""


def workers_killed(stack: RunningStack, numbers: Sequence[int]) -> float:
    """SIGKILL of workers; other processes take their places."""
    before = stack.addresses["worker_pids"]
    killed = [before[number] for number in numbers]
    ended = time.monotonic()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _until(lambda: _replaced(stack, before, killed), "a killed worker was not started again")
    return ended


def worker_paused(stack: RunningStack, number: int) -> float:
    """SIGSTOP of a worker until the other one has all lanes, then SIGCONT: a zombie that believes it owns some."""
    addresses = stack.addresses
    paused, urls = addresses["worker_pids"][number], addresses["workers_metrics"]
    mine, others = urls[number], [url for url in urls if url != urls[number]]
    lanes = _lanes_owned(urls)
    if not _lanes_owned([mine]):
        raise DidNotTakeError("the worker to be paused had no lane")
    with _stopped(paused):
        _until(lambda: _lanes_owned(others) == lanes, "nobody took the lanes of the paused worker")
    return time.monotonic()


def clickhouse_killed(stack: RunningStack) -> float:
    """SIGKILL of ClickHouse, which is started again."""
    before = _clickhouse(stack)
    ended = time.monotonic()
    os.kill(before, signal.SIGKILL)
    _until(lambda: _clickhouse(stack) not in (0, before), "ClickHouse was not started again")
    return ended


def clickhouse_paused(stack: RunningStack) -> float:
    """SIGSTOP of ClickHouse until the workers say that it is away, then SIGCONT: no answer, no broken connection."""
    with _stopped(_clickhouse(stack)):
        _until(lambda: _disconnected(stack), "the workers did not miss ClickHouse")
    return time.monotonic()


def kafka_killed(stack: RunningStack) -> float:
    """SIGKILL of Apache Kafka, started again with the log that it has on disk; ended when it answers."""
    kafka = _kafka(stack)
    kafka.kill()
    return _started_again(kafka)


def kafka_restarted(stack: RunningStack) -> float:
    """SIGTERM of Apache Kafka, as an upgrade does it, and a start; ended when it answers."""
    kafka = _kafka(stack)
    kafka.terminate()
    kafka.wait_or_kill()
    return _started_again(kafka)


def kafka_paused(stack: RunningStack) -> float:
    """SIGSTOP of Apache Kafka until the workers say that it is away, then SIGCONT."""
    pid = _kafka(stack).pid
    if pid is None:
        raise DidNotTakeError("Kafka did not run")
    with _stopped(pid):
        _until(lambda: _disconnected(stack), "the workers did not miss Kafka")
    return time.monotonic()


ON_ANY_KAFKA: Final[Mapping[str, Fault]] = {
    "first worker killed": partial(workers_killed, numbers=[0]),
    "second worker killed": partial(workers_killed, numbers=[1]),
    "both workers killed": partial(workers_killed, numbers=[0, 1]),
    "first worker paused": partial(worker_paused, number=0),
    "second worker paused": partial(worker_paused, number=1),
    "ClickHouse killed": clickhouse_killed,
    "ClickHouse paused": clickhouse_paused,
}
ON_APACHE_KAFKA: Final[Mapping[str, Fault]] = {
    "Kafka killed": kafka_killed,
    "Kafka restarted": kafka_restarted,
    "Kafka paused": kafka_paused,
}
"""The local broker keeps its log in memory: nothing is left of it to go on with."""


def _kafka(stack: RunningStack) -> Process:
    if stack.kafka is None:
        raise DidNotTakeError("there is no Apache Kafka")
    return stack.kafka


def _started_again(kafka: Process) -> float:
    kafka.start()

    def ready() -> bool:
        kafka.await_ready()
        return kafka.ready

    _until(ready, "Kafka did not come back")
    return time.monotonic()


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _replaced(stack: RunningStack, before: Sequence[int], killed: Sequence[int]) -> bool:
    now = stack.addresses["worker_pids"]
    return len(now) == len(before) and not set(killed) & set(now)


def _disconnected(stack: RunningStack) -> bool:
    """Whether every worker says that something is away."""
    states = []
    for url in stack.addresses["workers_metrics"]:
        with suppress(httpx.TransportError):
            states.append(httpx.get(url.replace("/metrics", "/readyz"), timeout=5).json()["state"])
    return bool(states) and set(states) == {"disconnected"}


def _until(true: Callable[[], bool], otherwise: str) -> None:
    try:
        eventually(true, _TAKES_SECONDS)
    except AssertionError as error:
        raise DidNotTakeError(f"{otherwise}: {error}") from error


def _lanes_owned(urls: list[str]) -> float:
    """Of workers that answer."""
    owned = 0.0
    for url in urls:
        with suppress(httpx.TransportError):
            for family in text_string_to_metric_families(httpx.get(url, timeout=5).text):
                owned += sum(sample.value for sample in family.samples if sample.name == "touchstream_lanes_owned")
    return owned


def _clickhouse(stack: RunningStack) -> int:
    """Its process id; 0 while there is none. Linux only."""
    parent = stack.process.pid
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):
            if b"deploy.local.clickhouse" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return 0
