"""Events a second of one worker, from Kafka to durable rows, by how many lanes it owns."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.bench import ours
from tests.bench.arena import Arena, Topic, arena, fill_topic, local_broker
from tests.bench.events import Events, generate
from tests.bench.growth import Growth, Row, power_laws
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.process.connection import KafkaConnection

LANES: Final = (1, 2, 4, 8, 16)


def throughput(directory: Path, events: int, lanes: Sequence[int], say: Callable[[str], None]) -> Growth:
    """The same events in topics of so many partitions. Raises WrongError, where not all of them were counted."""
    made = generate(events, int(time.time() * 1000))
    with arena(directory, local_broker(directory)) as place:
        rows = [_of_lanes(place, made, count, say) for count in lanes]
    title = f"One worker by its lanes: {events:,} events from Kafka to rows in ClickHouse"
    return Growth("lanes", title, rows, power_laws(rows, "events/s"))


def _of_lanes(place: Arena, events: Events, lanes: int, say: Callable[[str], None]) -> Row:
    millions = len(events) / 1e6
    say(f"{lanes} lanes")
    topic = Topic(f"lanes-{lanes}", events)
    connection = KafkaConnection.from_url(place.broker.url)
    ensure_topics(connection, [TopicSpec(topic.name, lanes, 1)])
    asyncio.run(fill_topic(BulkDestination(connection, topic.name), topic.events))
    run = ours.run(place, topic, lanes, ours.Ours("lanes"))
    return {
        "lanes": lanes,
        "events/s": run.events_per_second,
        "CPU s/million": run.cpu_seconds["contestant"] / millions,
        "ClickHouse": run.cpu_seconds["clickhouse"] / millions,
        "inserts": run.inserts,
        "peak MiB": run.rss_peak_bytes / 2**20,
    }
