"""Events to the bytes that go to Kafka: Avro behind the header that says which schema they were written with."""

from __future__ import annotations

from typing import Self

from touchstream.schemas.codec import (
    CONFLUENT,
    FINGERPRINT,
    SCHEMA_TEXT,
    SINGLE_OBJECT,
    encode_confluent,
    encode_single_object,
)
from touchstream.schemas.registry import HttpSchemaRegistry
from touchstream.schemas.touchpoint import Touchpoint


class Encoder:
    """Writes events as Avro single objects, or in Confluent's wire format where a registry gave the schema a number."""

    def __init__(self, schema_number: int | None = None) -> None:
        self._number = schema_number
        self.header = (
            SINGLE_OBJECT + FINGERPRINT if schema_number is None else CONFLUENT + schema_number.to_bytes(4, "big")
        )

    @classmethod
    def registered(cls, registry_url: str, topic: str) -> Self:
        """For a topic whose schema is registered, which this does. Raises RegistryUnavailable, SchemaRefused."""
        return cls(HttpSchemaRegistry(registry_url).register(f"{topic}-value", SCHEMA_TEXT))

    def event(self, event: Touchpoint) -> bytes:
        """One event that `schemas.validity.check` passes."""
        return encode_single_object(event) if self._number is None else encode_confluent(event, self._number)
