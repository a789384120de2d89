"""A worker's observations of itself, for its health and for the gauges of its lanes."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.touchpoint import TIME_MS_MIN
from touchstream.streams.process import metrics
from touchstream.streams.process.health import Observation, answers
from touchstream.streams.worker.lanes import Lanes


class Logs(Protocol):
    """What is known of the logs that are read."""

    def log_ends(self) -> Mapping[int, int]:
        """The offset behind the last record of each partition that is read, as of the last fetch; for any thread."""

    async def kafka_answers(self) -> bool:
        """Whether Kafka answers now."""


class Observer:
    """Looks at a worker's lanes, their logs and their tables."""

    def __init__(self, lanes: Lanes, logs: Logs, client: Client) -> None:
        self._lanes, self._logs, self._client = lanes, logs, client
        metrics.LAG_RECORDS.set_function(self.lag_records)
        metrics.WATERMARK_AGE_SECONDS.set_function(self.watermark_age_seconds)

    async def look(self) -> Observation:
        """As of now."""
        lanes = self._lanes
        kafka, clickhouse = await asyncio.gather(
            answers(self._logs.kafka_answers()), answers(asyncio.to_thread(self._client.ping))
        )
        return Observation(
            at=time.monotonic(),
            kafka=kafka,
            clickhouse=clickhouse,
            assigned=lanes.expected,
            next_offsets=lanes.next_offsets,
            records_behind=round(sum(self.lag_records().values())),
            pending_rows=lanes.pending_rows,
            unflushed=lanes.unflushed,
            flushed_at=lanes.flushed_at,
            measured_at=lanes.measured_at,
        )

    def lag_records(self) -> dict[int, float]:
        """The lag of each lane: records between what it has measured and its log's end."""
        offsets = self._lanes.next_offsets
        # Without lanes there may be no consumer to ask. A lane that was not fetched for yet is not known to be behind.
        ends = self._logs.log_ends() if offsets else {}
        return {lane: max(0.0, ends.get(lane, offset) - offset) for lane, offset in offsets.items()}

    def watermark_age_seconds(self) -> dict[int, float]:
        """Age of each lane's watermark against the clock, in seconds; lanes without a watermark are left out."""
        now_ms = times.now_ms()
        marks = self._lanes.watermarks_ms
        return {lane: (now_ms - mark) / 1000 for lane, mark in marks.items() if mark > TIME_MS_MIN}
