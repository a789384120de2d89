"""A producer that writes over a connection only once the broker behind it has said that it has the topic.

A producer keeps what it knows of a topic when its broker dies. Apache Kafka's log is there again with the broker; the
local broker's is not: until the topic has been made anew it takes what is written to it, acknowledges it, and begins
the log at offset 0 once more when the topic is made. What was written before stays among what is written after: some
batches are refused, and others, acknowledged, stand at offsets that every reader has passed already.
"""

from functools import partial
from time import monotonic as _now
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaProducer, client
from aiokafka.conn import CloseReason
from aiokafka.errors import NodeNotReadyError, RequestTimedOutError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

SETTLED_SECONDS: Final = 1.0
"""Delay before writing to a topic that was missing, in seconds: it is listed before its logs are ready."""


def never_create_topics() -> None:
    """Let no client of aiokafka in this process create a topic by asking for it: that is for `init` alone to do.

    aiokafka has no option for it, and asks with what stands under this name.
    """
    client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)


class TopicFirstProducer(AIOKafkaProducer):  # type: ignore[misc] # aiokafka is not typed
    """aiokafka's producer. A batch whose topic is missing waits like one that has no connection."""

    def __init__(self, **options: Any) -> None:
        """options: aiokafka's."""
        never_create_topics()
        super().__init__(**options)
        self._send_at_once = self.client.send
        self._seen: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
        """By connection, the topics that its broker has said it has."""
        self._missing_at: dict[str, float] = {}
        self.client.send = self._send_topic_first

    async def _send_topic_first(self, node_id: Any, request: Any, **group: Any) -> Any:
        if isinstance(request, ProduceRequest):
            topics = {topic for topic, _ in request._topics}  # noqa: SLF001 - nothing public tells them
            await self._see_topics(node_id, topics, **group)
        # Nothing is awaited between this look at the connection and the writing to it.
        return await self._send_at_once(node_id, request, **group)

    async def _see_topics(self, node_id: Any, topics: set[str], **group: Any) -> None:
        """Raises KafkaError where a topic isn't there, or the connection isn't there any more."""
        connection = await self._connection(node_id, **group)
        seen = self._seen.setdefault(connection, set())
        if topics <= seen:
            return
        try:
            answer = await connection.send(client.MetadataRequest(sorted(topics - seen)))
        except TimeoutError as error:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise RequestTimedOutError from error
        for code, topic, *_ in answer.topics:
            self._note(topic, for_code(code) if code else None)
            seen.add(topic)
        if await self._connection(node_id, **group) is not connection:
            raise NodeNotReadyError("another connection than the one that was asked")

    def _note(self, topic: str, error: Any) -> None:
        now = _now()
        if error is UnknownTopicOrPartitionError:
            self._missing_at[topic] = now
        if error is not None:
            raise error(topic)
        if now - self._missing_at.get(topic, -SETTLED_SECONDS) < SETTLED_SECONDS:
            raise UnknownTopicOrPartitionError(topic)

    async def _connection(self, node_id: Any, **group: Any) -> Any:
        connection = await self.client._get_conn(node_id, **group)  # noqa: SLF001 - as `send` does
        if connection is None:
            raise NodeNotReadyError(f"node {node_id} is not ready")
        return connection
