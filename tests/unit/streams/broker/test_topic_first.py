"""Over which connections a producer writes."""

import asyncio
from typing import Any

import pytest
from aiokafka.conn import CloseReason
from aiokafka.errors import NodeNotReadyError, RequestTimedOutError, TopicAuthorizationFailedError
from aiokafka.errors import UnknownTopicOrPartitionError as Unknown
from aiokafka.protocol.api import Request
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5
from aiokafka.protocol.produce import ProduceRequest

from touchstream.streams.broker import topic_first
from touchstream.streams.broker.topic_first import SETTLED_SECONDS, TopicFirstProducer

THERE, MISSING, FORBIDDEN = 0, 3, 29


class Connection:
    """To a broker that says this of every topic, one after another; the last for good. None: it says nothing."""

    def __init__(self, *codes: int | None) -> None:
        self.codes, self.asked, self.closed = list(codes), 0, False

    async def send(self, request: Request[Any]) -> Any:
        built: Any = request.build(MetadataRequest_v5)
        assert built.allow_auto_topic_creation is False
        self.asked += 1
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        if code is None:
            raise TimeoutError
        topics = [(code, name, False, list[object]()) for name in built.topics]
        return type("Answer", (), {"topics": topics})

    def close(self, reason: CloseReason) -> None:
        self.closed = reason is CloseReason.CONNECTION_TIMEOUT


def written(*connections: Connection, clock: list[float] | None = None) -> list[object]:
    """What becomes of writing one batch after another, each over one of the connections; True: it is written."""

    async def write() -> list[object]:
        producer = TopicFirstProducer(bootstrap_servers="127.0.0.1:1")
        left, found = list(connections), list[object]()

        async def connection(_node: int, **_: object) -> Connection:
            return left[0]

        async def at_once(*_: object, **__: object) -> bool:
            return True

        producer.client._get_conn, producer._send_at_once = connection, at_once
        while left:
            try:
                found.append(await producer.client.send(1, ProduceRequest(None, -1, 1, [("events", [(0, b"")])])))
            except Exception as error:
                found.append(type(error))
            left.pop(0)
            if clock:
                clock.pop(0)
        await producer.stop()
        return found

    return asyncio.run(write())


def test_a_connection_is_asked_once_and_a_new_one_again() -> None:
    first, second = Connection(THERE), Connection(THERE)
    assert written(first, first, second) == [True] * 3
    assert (first.asked, second.asked) == (1, 1)


def test_nothing_is_written_where_the_topic_is_missing_nor_just_made(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0, 100.1, 100.2, 100.1 + SETTLED_SECONDS]
    monkeypatch.setattr(topic_first, "_now", lambda: clock[0])
    anew = Connection(MISSING, MISSING, THERE)
    assert written(anew, anew, anew, anew, clock=clock) == [Unknown, Unknown, Unknown, True]


def test_a_write_without_permission_is_refused_as_ever() -> None:
    assert written(Connection(FORBIDDEN)) == [TopicAuthorizationFailedError]


def test_a_connection_that_says_nothing_is_closed() -> None:
    silent = Connection(None)
    assert written(silent) == [RequestTimedOutError]
    assert silent.closed


def test_nothing_is_written_over_another_connection_than_the_one_that_was_asked() -> None:
    async def write() -> None:
        producer = TopicFirstProducer(bootstrap_servers="127.0.0.1:1")
        connections = [Connection(THERE), Connection(THERE)]

        async def connection(_node: int, **_: object) -> Connection:
            return connections.pop(0)

        producer.client._get_conn = connection
        with pytest.raises(NodeNotReadyError):
            await producer.client.send(1, ProduceRequest(None, -1, 1, [("events", [(0, b"")])]))
        await producer.stop()

    asyncio.run(write())


def test_a_request_that_is_no_batch_is_sent_at_once() -> None:
    async def ask() -> None:
        producer = TopicFirstProducer(bootstrap_servers="127.0.0.1:1")

        async def at_once(_node: int, request: object) -> object:
            return request

        producer._send_at_once = at_once
        request = MetadataRequest([])
        assert await producer.client.send(1, request) is request
        await producer.stop()

    asyncio.run(ask())
