"""What is done to the connections of a running stand, and to ClickHouse's disk. As in `faults`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.kafka.faults import disconnected, until
from tests.kafka.proxy import Behaviour, Cut, LosingAnswers, Passing, Proxy, Refusing, Silent
from tests.kafka.stand import DidNotTakeError, Stand

_INSERT: Final = b"INSERT INTO"
_STRUCK: Final = 6
_SLOW: Final = Passing(delay_seconds=0.2, bytes_per_second=500_000)
_SLOW_SECONDS: Final = 10.0
_BROKEN_SECONDS: Final = 10.0  # longer than a session of Kafka's group, so that the lanes lose their owners
_SILENT_SECONDS_MAX: Final = 100.0  # the client waits sixty for an answer
_FULL_SECONDS: Final = 5.0


def clickhouse_answers_500(stand: Stand) -> float:
    """As it does when its memory is used up: nothing is inserted."""
    return _inserts_struck(stand, Refusing(500, code=241), "no insert was refused")


def clickhouse_cut_after_insert(stand: Stand) -> float:
    """Inserts are made, and the connection is reset before the answer: the worker cannot know."""
    return _inserts_struck(stand, LosingAnswers(), "no insert lost its answer")


def clickhouse_unanswering(stand: Stand) -> float:
    """Connections are taken and nothing is answered, until the wait for an insert's answer has timed out."""
    proxy = stand.clickhouse_proxy
    with _behaving([proxy], Silent()):
        until(lambda: proxy.given_up(_INSERT) > 0, "nobody's patience ended", _SILENT_SECONDS_MAX)
    return time.monotonic()


def clickhouse_unreachable(stand: Stand) -> float:
    """The network to ClickHouse is broken until the workers say so."""
    with _behaving([stand.clickhouse_proxy], Cut()):
        until(lambda: disconnected(stand), "the workers did not miss ClickHouse")
    return time.monotonic()


def kafka_slow(stand: Stand) -> float:
    """Every piece is 0.2 s late in each direction, and no connection moves more than 500 kB a second."""
    proxies = stand.kafka_proxies
    with _behaving(proxies, _SLOW):
        time.sleep(_SLOW_SECONDS)
        if not any(proxy.struck() for proxy in proxies):
            raise DidNotTakeError("nothing passed while it was slow")
    return time.monotonic()


def kafka_unreachable(stand: Stand) -> float:
    """The network to Kafka is broken for longer than a session of its group lasts."""
    with _behaving(stand.kafka_proxies, Cut()):
        since = time.monotonic()
        until(lambda: disconnected(stand), "the workers did not miss Kafka")
        time.sleep(max(0.0, since + _BROKEN_SECONDS - time.monotonic()))
    return time.monotonic()


def clickhouse_disk_full(stand: Stand) -> float:
    """No byte is free on ClickHouse's disk, for five seconds in which workers want to insert."""
    ballast = stand.clickhouse_data / "ballast"
    refused = _insert_failures(stand)
    try:
        _fill(ballast)
        until(lambda: _insert_failures(stand) > refused, "ClickHouse took inserts on a full disk")
        time.sleep(_FULL_SECONDS)
    finally:
        ballast.unlink(missing_ok=True)
    return time.monotonic()


def _fill(ballast: Path) -> None:
    """Use up the file system that the file is on."""
    block = bytes(1024 * 1024)
    with ballast.open("wb", buffering=0) as file:
        for size in (len(block), 4096, 1):
            try:
                while file.write(block[:size]) == size:
                    pass
            except OSError:
                continue


def _insert_failures(stand: Stand) -> int:
    """Inserts that ClickHouse did not take, by the workers' logs."""
    logs = (stand.directory / "logs").glob("worker-*.log")
    return sum(log.read_bytes().count(b"did not take an insert") for log in logs)


def _inserts_struck(stand: Stand, behaviour: Behaviour, otherwise: str) -> float:
    """Until so many inserts were struck."""
    proxy = stand.clickhouse_proxy
    with _behaving([proxy], behaviour):
        until(lambda: proxy.struck(_INSERT) >= _STRUCK, otherwise)
    return time.monotonic()


@contextmanager
def _behaving(proxies: Sequence[Proxy], behaviour: Behaviour) -> Iterator[None]:
    for proxy in proxies:
        proxy.behave(behaviour)
    try:
        yield
    finally:
        for proxy in proxies:
            proxy.behave(Passing())
