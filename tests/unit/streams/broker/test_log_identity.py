"""Lanes that are loaded at the same time ask Kafka together, and none is told of a log as it was before it asked."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest

from tests.support.stack import eventually
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import LogPosition, SharedLogIdentity


class Log:
    """A log whose end moves on with each answer. An answer waits until it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = 0, Event()

    def identity(self) -> dict[int, LogPosition]:
        self.asked += 1
        end = self.asked
        self.let_go.wait()
        return {0: LogPosition("log", 0, end)}


class Queue:
    """A lock that says how many have come to it."""

    def __init__(self) -> None:
        self.came, self._lock = 0, Lock()

    def __enter__(self) -> None:
        self.came += 1
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_those_that_ask_while_another_is_being_answered_share_the_next_answer() -> None:
    log = Log()
    shared = SharedLogIdentity(log.identity)
    queue = shared._asking = Queue()  # type: ignore[assignment]
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(shared.now)
        eventually(lambda: log.asked == 1)
        later = [threads.submit(shared.now) for _ in range(3)]
        eventually(lambda: queue.came == 4)
        log.let_go.set()
        assert first.result()[0].end_offset == 1
        # Not the first one: it may have been seen before they asked.
        assert [one.result()[0].end_offset for one in later] == [2, 2, 2]


def test_who_asks_after_an_answer_gets_a_new_one() -> None:
    log = Log()
    log.let_go.set()
    shared = SharedLogIdentity(log.identity)
    assert [shared.now()[0].end_offset for _ in range(3)] == [1, 2, 3]


def test_an_answer_that_failed_is_nobody_elses() -> None:
    failures = [TopicError("Kafka doesn't answer")]

    def ask() -> dict[int, LogPosition]:
        if failures:
            raise failures.pop()
        return {0: LogPosition("log", 0, 7)}

    shared = SharedLogIdentity(ask)
    with pytest.raises(TopicError):
        shared.now()
    assert shared.now()[0].end_offset == 7
