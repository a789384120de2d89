"""Events to the bytes that go to Kafka: Avro behind the header that says which schema they were written with."""

from __future__ import annotations

import json
from typing import Final, Self

import polars as pl
import pyarrow as pa
import pyruhvro

from schemas.codec import (
    CONFLUENT,
    FINGERPRINT,
    SCHEMA_TEXT,
    SINGLE_OBJECT,
    encode_confluent,
    encode_single_object,
    without_logical_types,
)
from schemas.registry import HttpSchemaRegistry
from schemas.touchpoint import Touchpoint

_SCHEMA: Final = json.dumps(without_logical_types(SCHEMA_TEXT))


class Encoder:
    """Writes events as Avro single objects, or in Confluent's wire format where a registry gave the schema a number."""

    def __init__(self, schema_number: int | None = None) -> None:
        self._number = schema_number
        self._header = (
            SINGLE_OBJECT + FINGERPRINT if schema_number is None else CONFLUENT + schema_number.to_bytes(4, "big")
        )

    @classmethod
    def registered(cls, registry_url: str, topic: str) -> Self:
        """For a topic whose schema is registered, which this does. Raises RegistryUnavailable, SchemaRefused."""
        return cls(HttpSchemaRegistry(registry_url).register(f"{topic}-value", SCHEMA_TEXT))

    def event(self, event: Touchpoint) -> bytes:
        """One event that `schemas.validity.check` passes."""
        return encode_single_object(event) if self._number is None else encode_confluent(event, self._number)

    def frame(self, events: pl.DataFrame) -> list[bytes]:
        """The events of a frame of `schemas.columns.COLUMNS`, one message a row: the same bytes as one by one."""
        (bodies,) = pyruhvro.serialize_record_batch(_record_batch(events), _SCHEMA, 1)
        header = self._header
        return [header + body for body in bodies.to_pylist()]


def _record_batch(events: pl.DataFrame) -> pa.RecordBatch:
    """The frame as pyruhvro wants it: in one piece, with the 32-bit offsets of Avro's strings."""
    table = events.select(pl.exclude("position")).to_arrow()
    batch = table.cast(_narrow(table.schema)).combine_chunks().to_batches()
    return batch[0] if batch else pa.RecordBatch.from_pylist([], schema=_narrow(table.schema))


def _narrow(schema: pa.Schema) -> pa.Schema:
    return pa.schema([(field.name, _narrow_type(field.type)) for field in schema])


def _narrow_type(arrow: pa.DataType) -> pa.DataType:
    if pa.types.is_map(arrow):
        return pa.map_(pa.string(), pa.string())
    return pa.string() if pa.types.is_large_string(arrow) else arrow
