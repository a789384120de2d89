"""Which event an event is: the source that numbered it, the Kafka key that it came with, and its event_id.

Two shops may both number their orders from 1, and one shop may number per customer. Rows of `touchpoints` say the same
as events that were just decoded, so that a lane which is taken over remembers what the lane before it did.
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

CANONICAL_KEY = pl.when(pl.col("customer_id") == "").then("anonymous_id").otherwise("customer_id").cast(pl.Binary)
"""The Kafka key that an event is to have."""

_BYTES = pa.large_binary()
_PARTS = (
    pl.when(pl.col("source") == "").then("channel").otherwise("source").cast(pl.Binary).alias("source"),
    pl.coalesce("kafka_key", CANONICAL_KEY).alias("key"),
    pl.col("event_id").cast(pl.Binary),
)
_SIZES = pl.concat_str(pl.col("source").bin.size(), pl.lit(" "), pl.col("key").bin.size(), pl.lit(" "))


def identities(events: pl.DataFrame) -> pl.Series:
    """The identity of each event as bytes, equal for equal ones and for no others.

    events: texts as in `touchpoints`, empty where there are none; kafka_key (bytes): null where it is the canonical
    one, empty where there is none.
    """
    # The sizes first, else "a" + "bc" would be "ab" + "c".
    parts = events.select(_PARTS).with_columns(sizes=_SIZES.cast(pl.Binary))
    joined = [parts[name].to_arrow().cast(_BYTES) for name in ("sizes", "source", "key", "event_id")]
    return pl.Series(pc.binary_join_element_wise(*joined, pa.scalar(b"", _BYTES)), dtype=pl.Binary)
