"""What is done to processes of a running stand. A fault returns when it ended (monotonic seconds), or says why it did
not take.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tests.kafka.stand import DidNotTakeError, Stand, WorkerPlace
from tests.support.stack import eventually
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Process, running

TAKES_SECONDS: Final = 60.0
_JOINS: Final = 4


def workers_killed(stand: Stand, numbers: Sequence[int]) -> float:
    """SIGKILL of workers; other processes take their places."""
    before = stand.worker_pids
    ended = time.monotonic()
    for number in numbers:
        os.kill(_there(before[number], stand.workers[number].name), signal.SIGKILL)
    until(lambda: _replaced(stand, before, numbers), "a killed worker was not started again")
    return ended


def leader_killed(stand: Stand) -> float:
    """SIGKILL of the worker that rolls windows up, reconciles and publishes for all."""
    return workers_killed(stand, [stand.leader])


def worker_paused(stand: Stand, number: int) -> float:
    """SIGSTOP of a worker until the other one has all lanes, then SIGCONT: a zombie that believes it owns some."""
    mine, others = stand.workers[number], [one for one in stand.workers if one is not stand.workers[number]]
    lanes = stand.lanes
    if not mine.lanes:
        raise DidNotTakeError("the worker to be paused had no lane")
    with _stopped(_there(stand.worker_pids[number], mine.name)):
        until(lambda: sum(one.lanes for one in others) == lanes, "nobody took the lanes of the paused worker")
    return time.monotonic()


def rebalanced(stand: Stand) -> float:
    """A third worker joins the group, gets lanes and leaves, one after another."""
    third = WorkerPlace("worker-joining", f"{stand.workers[0].url.rpartition(':')[0]}:{free_port()}")
    for _ in range(_JOINS):
        with running(stand.worker_child(third), stand.directory / "logs"):
            until(lambda: third.lanes > 0, "the worker that joined got no lane")
    return time.monotonic()


def clickhouse_killed(stand: Stand) -> float:
    """SIGKILL of ClickHouse, which is started again."""
    before = _there(stand.clickhouse_pid, "ClickHouse")
    ended = time.monotonic()
    os.kill(before, signal.SIGKILL)
    until(lambda: stand.clickhouse_pid not in (None, before), "ClickHouse was not started again")
    return ended


def clickhouse_paused(stand: Stand) -> float:
    """SIGSTOP of ClickHouse until the workers say that it is away, then SIGCONT: no answer, no broken connection."""
    with _stopped(_there(stand.clickhouse_pid, "ClickHouse")):
        until(lambda: disconnected(stand), "the workers did not miss ClickHouse")
    return time.monotonic()


def kafka_killed(stand: Stand) -> float:
    """SIGKILL of Apache Kafka, started again with the log that it has on disk; ended when it answers."""
    (kafka,) = stand.kafka
    kafka.kill()
    return _started_again(kafka)


def kafka_restarted(stand: Stand) -> float:
    """SIGTERM of Apache Kafka, as an upgrade does it, and a start; ended when it answers."""
    (kafka,) = stand.kafka
    kafka.terminate()
    kafka.wait_or_kill()
    return _started_again(kafka)


def kafka_paused(stand: Stand) -> float:
    """SIGSTOP of Apache Kafka until the workers say that it is away, then SIGCONT."""
    (kafka,) = stand.kafka
    with _stopped(_there(kafka.pid, "Kafka")):
        until(lambda: disconnected(stand), "the workers did not miss Kafka")
    return time.monotonic()


def one_kafka_of_three_killed(stand: Stand) -> float:
    """SIGKILL of one node for good, as far as the run is concerned: the others go on. It is back before the next."""
    kafka = stand.kafka[0]
    ended = time.monotonic()
    kafka.kill()
    until(lambda: kafka.pid is None, "the node still ran")
    return ended


def disconnected(stand: Stand) -> bool:
    """Whether every worker says that something is away."""
    states = {worker.state for worker in stand.workers}
    return states - {""} == {"disconnected"}


def until(true: Callable[[], bool], otherwise: str, seconds: float = TAKES_SECONDS) -> None:
    """Wait for it. Raises DidNotTakeError with the sentence."""
    try:
        eventually(true, seconds)
    except AssertionError as error:
        raise DidNotTakeError(f"{otherwise}: {error}") from error


def kafka_back(stand: Stand) -> None:
    """Start what a fault left killed, and wait until it answers."""
    for kafka in stand.kafka:
        if kafka.pid is None:
            _started_again(kafka)


def _started_again(kafka: Process) -> float:
    kafka.start()

    def ready() -> bool:
        kafka.await_ready()
        return kafka.ready

    until(ready, "Kafka did not come back")
    return time.monotonic()


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _there(pid: int | None, name: str) -> int:
    if pid is None:
        raise DidNotTakeError(f"{name} did not run")
    return pid


def _replaced(stand: Stand, before: Sequence[int | None], numbers: Sequence[int]) -> bool:
    now = stand.worker_pids
    return all(now[number] not in (None, before[number]) for number in numbers)
