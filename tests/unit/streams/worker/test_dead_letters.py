"""Dead letters to their topic: whole where it takes them, cut where it doesn't, and never dropped."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import Reason
from touchstream.streams.measure.events import DeadLetter
from touchstream.streams.measure.records import Headers
from touchstream.streams.worker import dead_letters
from touchstream.streams.worker.dead_letters import DeadLetterTopic, replay_headers

ROW = LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, "v1")
TRUNCATED = "touchstream-truncated"


class Topic:
    """Takes values up to so many bytes; the limit is what it will be at each attempt, the last one for ever."""

    def __init__(self, *limits: int) -> None:
        self._limits = list(limits)
        self.attempts = 0
        self.taken: list[tuple[bytes | None, dict[str, list[bytes]]]] = []

    async def send(self, _: str, __: bytes | None, value: bytes | None, headers: Headers) -> Any:
        self.attempts += 1
        limit = self._limits.pop(0) if len(self._limits) > 1 else self._limits[0]
        if len(value or b"") > limit:
            raise MessageSizeTooLargeError
        found: dict[str, list[bytes]] = {}
        for name, content in headers:
            found.setdefault(name, []).append(content)
        self.taken.append((value, found))


def sent(topic: Topic, value: bytes) -> tuple[bytes | None, dict[str, list[bytes]]]:
    letter = DeadLetter(7, 1, Reason.UNDECODABLE, "what is wrong", b"key", value, [("own", b"1")])
    asyncio.run(DeadLetterTopic("touchpoints.dead-letter", topic.send).send(ROW, [letter]))
    (taken,) = topic.taken
    return taken


def test_a_letter_goes_whole_with_its_own_headers_and_the_reason() -> None:
    value, headers = sent(Topic(2_000_000), b"x" * 1_000_000)
    assert value == b"x" * 1_000_000
    assert (headers["own"], headers["touchstream-reason"]) == ([b"1"], [b"undecodable"])
    assert TRUNCATED not in headers


def test_headers_of_a_record_under_our_names_are_not_passed_on() -> None:
    forged = [("touchstream-reason", b"fine"), (TRUNCATED, b"1"), ("__connect.errors.topic", b"x"), ("own", b"1")]
    letter = DeadLetter(7, 1, Reason.UNDECODABLE, "what is wrong", b"key", b"value", forged)
    topic = Topic(2_000_000)
    asyncio.run(DeadLetterTopic("touchpoints.dead-letter", topic.send).send(ROW, [letter]))
    ((_, headers),) = topic.taken
    assert (headers["touchstream-reason"], headers["__connect.errors.topic"]) == ([b"undecodable"], [b"touchpoints"])
    assert (headers["own"], TRUNCATED in headers) == ([b"1"], False)


def test_a_letter_that_is_too_large_is_cut_and_says_how_large_it_was() -> None:
    value, headers = sent(Topic(100_000), b"x" * 1_000_000)
    assert (value, headers[TRUNCATED]) == (b"x" * 65_536, [b"1000000"])


def test_of_a_flood_of_letters_that_are_alike_one_stands_for_the_rest() -> None:
    flood = [DeadLetter(n, 1, Reason.UNDECODABLE, "empty message", b"key", b"", [("own", b"1")]) for n in range(300)]
    other = [DeadLetter(n, 1, Reason.UNDECODABLE, "what", b"key", b"%d" % n, []) for n in range(300, 350)]
    same = [DeadLetter(n, 1, Reason.TOO_OLD, "what", b"key", b"", []) for n in range(350, 360)]
    topic = Topic(1_000)
    asyncio.run(DeadLetterTopic("touchpoints.dead-letter", topic.send).send(ROW, [*flood, *other, *same]))
    offsets = [int(headers["__connect.errors.offset"][0]) for _, headers in topic.taken]
    assert offsets == [*range(10), *range(300, 360), 299]
    value, headers = topic.taken[-1]
    assert (value, headers["touchstream-alike"], "own" in headers) == (b"", [b"290"], False)


def test_a_letter_of_neither_key_nor_value_is_a_message_that_the_client_takes() -> None:
    letters_ = [DeadLetter(n, 1, Reason.UNDECODABLE, "empty message", None, None, []) for n in range(30)]
    topic = Topic(1_000)
    asyncio.run(DeadLetterTopic("touchpoints.dead-letter", topic.send).send(ROW, letters_))
    assert [value for value, _ in topic.taken] == [b""] * 11


def test_a_topic_that_takes_not_even_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_RETRY_SECONDS", 0.001)
    topic = Topic(10, 10, 10, 10, 100_000)
    value, headers = sent(topic, b"x" * 1_000_000)
    assert topic.attempts == 5
    assert (len(value or b""), headers[TRUNCATED]) == (65_536, [b"1000000"])


def test_an_event_that_a_door_refused_goes_on_as_a_letter_whose_copies_are_no_refused_records() -> None:
    said = [("touchstream-refused", b"too_large"), ("touchstream-refused-detail", b"of ann"), (TRUNCATED, b"2000000")]
    letter = DeadLetter(
        7, 1, Reason.TOO_LARGE, "of ann", None, b"x" * 65_536, [*said, ("touchstream-sent-by", b"shop")]
    )
    for limit in (2_000_000, 65_536):
        topic = Topic(limit)
        asyncio.run(DeadLetterTopic("touchpoints.dead-letter", topic.send, limit).send(ROW, [letter]))
        ((value, headers),) = topic.taken
        assert (value, headers[TRUNCATED], headers["touchstream-reason"]) == (
            b"x" * 65_536, [b"2000000"], [b"too_large"],
        )  # fmt: skip
        assert not {"touchstream-refused", "touchstream-refused-detail"} & headers.keys()
    again = dict(replay_headers([(name.encode(), value) for name, value in letter.headers], "log/0/7", 1))
    assert again.keys() == {TRUNCATED, "touchstream-sent-by", "touchstream-replay-of", "touchstream-replay-attempt"}
