"""Which event an event is: the source that numbered it, the Kafka key that it came with, and its event_id.

Two shops may both number their orders from 1, and one shop may number per customer. Rows of `touchpoints` say the same
as events that were just decoded, so that a lane which is taken over remembers what the lane before it did.
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from touchstream.schemas.touchpoint import NAME_BYTES_MAX

CANONICAL_KEY = pl.when(pl.col("customer_id") == "").then("anonymous_id").otherwise("customer_id").cast(pl.Binary)
"""The Kafka key that an event is to have."""

_BYTES = pa.large_binary()
_PARTS = (
    pl.when(pl.col("source") == "").then("channel").otherwise("source").cast(pl.Binary).alias("source"),
    pl.coalesce("kafka_key", CANONICAL_KEY).alias("key"),
    pl.col("event_id").cast(pl.Binary),
)
_SIZE_NAMES = pl.Series([chr(32 + size).encode() for size in range(NAME_BYTES_MAX + 1)], dtype=pl.Binary)
"""A character for each size of a name: a third of the time of writing digits."""


def identities(events: pl.DataFrame) -> pl.Series:
    """The identity of each event as bytes, equal for equal ones and for no others.

    events: texts as in `touchpoints`, empty where there are none; kafka_key (bytes): null where it is the canonical
    one, empty where there is none.
    """
    # The sizes first, else "a" + "bc" would be "ab" + "c". The key's is what is left.
    parts = events.select(_PARTS)
    columns = [_sizes(parts["source"]), _sizes(parts["event_id"]), parts["source"], parts["key"], parts["event_id"]]
    joined = pc.binary_join_element_wise(*(one.to_arrow().cast(_BYTES) for one in columns), pa.scalar(b"", _BYTES))
    return pl.Series(joined, dtype=pl.Binary)


def _sizes(names: pl.Series) -> pl.Series:
    return _SIZE_NAMES.gather(names.bin.size().clip(0, NAME_BYTES_MAX))
