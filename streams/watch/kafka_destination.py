"""Notifications to the topic `alerts`: JSON, by rule and group."""

from typing import Any, Final

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from touchstream.schemas.alert_state import Group
from touchstream.sinks.notify.notification import NotDelivered, Notification
from touchstream.streams.broker.topics import ALERTS_TOPIC
from touchstream.streams.process.connection import KafkaConnection

KEY_HEADER: Final = "idempotency-key"
_ACKNOWLEDGED_SECONDS: Final = 20
_CONNECT_MS: Final = 5_000


class AlertsTopic:
    """The topic. It connects at the first notification, and again after a failure."""

    name: Final = "topic"

    def __init__(self, connection: KafkaConnection, topic: str = ALERTS_TOPIC, namespace: str = "") -> None:
        """Namespace: as it is stored; keys of messages begin with it."""
        self._connection, self._topic, self._namespace = connection, topic, namespace
        self._producer: Any = None

    def send(self, notification: Notification) -> None:
        """Publish it; returns when all in-sync replicas have it. Raises NotDelivered."""
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    acks="all",
                    max_block_ms=_CONNECT_MS,
                    delivery_timeout_ms=_ACKNOWLEDGED_SECONDS * 1000,
                    request_timeout_ms=_ACKNOWLEDGED_SECONDS * 500,
                    allow_auto_create_topics=False,
                    metrics_enabled=False,
                    **self._connection.client_options(),
                )
            self._producer.send(
                self._topic,
                msgspec.json.encode(notification),
                _message_key(notification, self._namespace),
                headers=[(KEY_HEADER, notification.key.encode())],
            ).get(_ACKNOWLEDGED_SECONDS)
        except (KafkaError, OSError) as error:
            self.close()
            raise NotDelivered(f"Kafka: {type(error).__name__}") from error

    def close(self) -> None:
        """End the connection; what was not acknowledged is sent again by the next one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)


def _message_key(of: Notification, namespace: str) -> bytes:
    """[namespace/]rule, then |dimension=name, % and | of a name percent-encoded: one alert keeps its order."""
    group = Group(of.journey, of.stage, of.channel, of.segment)
    parts = (
        f"{namespace}/{of.rule}" if namespace else of.rule,
        *(f"{dimension}={name}" for dimension, name in group.key),
    )
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts).encode()
