"""A frame of events to the bytes that go to Kafka: the same as one by one, a batch at a time."""

import json
from typing import Final

import polars as pl
import pyarrow as pa
import pyruhvro

from touchstream.schemas.codec import SCHEMA_TEXT, without_logical_types
from touchstream.streams.channels.encoding import Encoder

_SCHEMA: Final = json.dumps(without_logical_types(SCHEMA_TEXT))


def encode_frame(encoder: Encoder, events: pl.DataFrame) -> list[bytes]:
    """The events of a frame of `schemas.columns.COLUMNS`, one message a row: the bytes of `encoder.event` for each."""
    (bodies,) = pyruhvro.serialize_record_batch(_record_batch(events), _SCHEMA, 1)
    return [encoder.header + body for body in bodies.to_pylist()]


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
