"""The topic `stage-metrics`: every complete rolling row, once its window is complete (docs/asyncapi.yaml).

Live rows stay out of it: each is written again every few seconds, and only the last version of it would be of use.
At least once: a message that is sent again, by a worker that begins to lead or after a failure, has the same key, tick
and values.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

import msgspec
import structlog
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.alerts import DIMENSIONS
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.streams.broker.topics import STAGE_METRICS_TOPIC
from touchstream.streams.process import metrics
from touchstream.streams.worker.dead_letters import Send

log = structlog.get_logger(__name__)

UNPUBLISHED_MAX: Final = 10_000
"""Windows that wait for Kafka: about a day's. Older ones are left out; they are in the table."""
_SENT_AT_ONCE_MAX: Final = 500
_LOOK_SECONDS: Final = 1.0

Complete = tuple[Window, int]
"""A window and the tick (milliseconds since 1970) at which it became complete."""
Rows = Callable[[Window, int], Sequence[Mapping[str, Any]]]
"""The rolling rows of a window at a tick. Blocking."""


def message(topic: str, row: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Key and value of a row of `stage_metrics` that measures `topic`.

    Key: topic|window, then |dimension=name of each dimension that the row has one name of, with % and | of a name
    percent-encoded; |dimension_other= where it has all names without rows of their own. Value: JSON with the row's
    columns, without dimensions of which all names are together; tick in ISO 8601, UTC; `other` says of which
    dimensions the row is of other names, and how many these are, where it is.
    """
    names = [(part, row[part]) for part in DIMENSIONS if row[part] is not None]
    others = row["other"]
    parts = (
        topic,
        row["window"],
        *(f"{part}_other=" if f"{part}_other" in others else f"{part}={name}" for part, name in names),
    )
    key = "|".join(str(part).replace("%", "%25").replace("|", "%7C") for part in parts)
    together = [part for part in DIMENSIONS if row[part] is None]
    together += [] if others else ["other", "other_names"]
    measured = {name: value for name, value in row.items() if name not in together}
    value = {"topic": topic, **measured, "tick": row["tick"].replace(tzinfo=UTC)}
    return key.encode(), msgspec.json.encode(value)


async def publish_forever(topic: str, unpublished: deque[Complete], rows: Rows, send: Send) -> None:
    """Publish the rows of all windows in the queue, the oldest first; waits for Kafka and ClickHouse."""
    while True:
        while unpublished:
            complete = unpublished.popleft()
            try:
                found = await asyncio.to_thread(rows, *complete)
                await _publish([message(topic, row) for row in found], send)
            except (KafkaError, ClickHouseError) as error:
                unpublished.appendleft(complete)
                log.warning(
                    "rolling rows not published, trying again", topic=STAGE_METRICS_TOPIC, error=first_line(error)
                )
                break
        await asyncio.sleep(_LOOK_SECONDS)


async def _publish(messages: Sequence[tuple[bytes, bytes]], send: Send) -> None:
    for start in range(0, len(messages), _SENT_AT_ONCE_MAX):
        batch = messages[start : start + _SENT_AT_ONCE_MAX]
        await asyncio.gather(*(send(STAGE_METRICS_TOPIC, key, value, ()) for key, value in batch))
        metrics.STAGE_METRICS.inc(len(batch))
