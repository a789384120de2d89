"""The topic `stage-metrics`: every complete rolling row, once its window is complete (docs/asyncapi.yaml).

Live rows stay out of it: each is written again every few seconds, and only the last version of it would be of use.
At least once: a message that is sent again, by a worker that begins to lead or after a failure, has the same key, tick
and values.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import msgspec
from aiokafka.errors import KafkaError

from touchstream.schemas.alerts import DIMENSIONS
from touchstream.streams.broker.topics import STAGE_METRICS_TOPIC
from touchstream.streams.process import metrics
from touchstream.streams.rolling.outlet import OutletAway, Rows
from touchstream.streams.worker.dead_letters import Send

_SENT_AT_ONCE_MAX: Final = 500


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


class StageMetricsTopic:
    """The outlet that publishes rows of what `topic` measures."""

    name: Final = STAGE_METRICS_TOPIC

    def __init__(self, topic: str, send: Send) -> None:
        self._topic, self._send = topic, send

    async def take(self, rows: Rows) -> None:
        """As `Outlet.take`."""
        messages = [message(self._topic, row) for row in rows]
        try:
            for start in range(0, len(messages), _SENT_AT_ONCE_MAX):
                batch = messages[start : start + _SENT_AT_ONCE_MAX]
                await asyncio.gather(*(self._send(STAGE_METRICS_TOPIC, key, value, ()) for key, value in batch))
                metrics.STAGE_METRICS.inc(len(batch))
        except KafkaError as error:
            raise OutletAway(str(error) or type(error).__name__) from error
