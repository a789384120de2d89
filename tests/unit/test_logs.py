"""What a library says over and over is written now and then; what we say ourselves, always."""

import logging

from streams.logs import REPEAT_SECONDS, Repeats

AWAY = "Unable connect to node with id %s: %s"


class Clock:
    """Stands still until it is moved."""

    now = 1.0

    def __call__(self) -> float:
        return self.now


def record(name: str, node: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, AWAY, (node, "refused"), None)


def test_a_library_says_the_same_thing_once_in_a_while_and_how_often_it_would_have() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert [repeats.filter(record("aiokafka.conn")) for _ in range(5)] == [True, False, False, False, False]
    clock.now += REPEAT_SECONDS
    again = record("aiokafka.conn")
    assert repeats.filter(again)
    assert again.getMessage() == "Unable connect to node with id 1: refused (and 4 times since it was last written)"
    clock.now += REPEAT_SECONDS
    once_more = record("aiokafka.conn")
    assert repeats.filter(once_more)
    assert once_more.getMessage() == "Unable connect to node with id 1: refused"


def test_another_message_and_another_logger_are_written() -> None:
    repeats = Repeats(Clock())
    assert repeats.filter(record("aiokafka"))
    assert repeats.filter(record("aiokafka", node=2))
    assert repeats.filter(record("kafka"))


def test_our_own_messages_are_always_written() -> None:
    repeats = Repeats(Clock())
    assert all(repeats.filter(record("streams.flush")) for _ in range(5))


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats(Clock())
    for node in range(5000):
        assert repeats.filter(record("kafka", node))
    assert not repeats.filter(record("kafka", 4999))
