"""What stands where it should not: counted events outside of their partition, and ids that count more than once.

A lane knows what it has counted itself. An event that is sent again under another key, or to another partition, counts
again: that can't be seen in a lane, but in raw events.
"""

from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text

EXAMPLES_MAX: Final = 20
"""Most twins that are shown; all are counted."""


@dataclass(frozen=True)
class Twins:
    """Events of one source with one event_id, of which each counts. places: partition, log_offset and Kafka key of up
    to five."""

    source: str
    event_id: str
    places: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Placing:
    """Where the events of an interval stand. misrouted: in another partition than their key's, or under another key.

    twins: ids that count more than once, under two keys or in two partitions; `examples` are the first EXAMPLES_MAX.
    """

    misrouted: int = 0
    twins: int = 0
    examples: tuple[Twins, ...] = ()

    def __add__(self, other: "Placing") -> "Placing":
        examples = (*self.examples, *other.examples)[:EXAMPLES_MAX]
        return Placing(self.misrouted + other.misrouted, self.twins + other.twins, examples)


def placing(client: Client, topic: str, from_ms: int, to_ms: int) -> Placing:
    """Where the events of [from_ms, to_ms) stand; twins are found if both occurred in it. Memory grows with events."""
    parameters = {"topic": topic, "from_ms": from_ms, "to_ms": to_ms, "examples_max": EXAMPLES_MAX}
    ((misrouted,),) = client.query(query_text("misrouted"), parameters).result_rows
    ((twins, examples),) = client.query(query_text("twins"), parameters).result_rows
    found = tuple(Twins(source, event_id, tuple(map(tuple, places))) for source, event_id, places in examples)
    return Placing(misrouted, twins, found)
