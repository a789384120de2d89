"""The lanes' store: ClickHouse for rows, Kafka for the log's identity. Blocking; whatever is away is waited for."""

from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import pyarrow as pa
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas import times
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.instruments import put_in_force
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.registry import HttpSchemaRegistry, RegistryUnavailable
from touchstream.sinks.clickhouse.client import clock_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.control import known_keys
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.sinks.clickhouse.lanes.reader import ClickHouseLanes
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter, Writing
from touchstream.sinks.sink import REJECTED, Flush, LogsLeft, SinkBusy
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import SharedLogIdentity, log_identity
from touchstream.streams.measure.controls import ControlKey, keys_text
from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.records import Records
from touchstream.streams.process import metrics
from touchstream.streams.process.settings import Settings
from touchstream.streams.worker.flush import first_rows, flush_of, of_lane, without
from touchstream.streams.worker.lanes import Stopped
from touchstream.streams.worker.takeover import take_over

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_FIRST_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 5.0
_AWAY: Final = (ClickHouseError, TopicError, RegistryUnavailable, LookupError, OSError)


class WorkerTables:
    """Loads lanes from ClickHouse and writes what they want written; a `streams.worker.takeover.LaneTables`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = Event()
        client = self._retry("ClickHouse", lambda: connect(settings.clickhouse_url), _AWAY)
        quorum = settings.clickhouse_quorum
        self.client, self._reader = client, ClickHouseLanes(client, sequential=quorum)
        self._writer = LaneWriter(client, Writing(quorum=quorum))
        registry = HttpSchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
        self._writers = WriterSchemas(registry)
        self._loaded: WeakValueDictionary[int, Lane] = WeakValueDictionary()
        metrics.PANES.set_function(lambda: {one: len(lane.panes) for one, lane in self._lanes_in_memory()})
        metrics.SERIES.set_function(lambda: {one: lane.panes.names for one, lane in self._lanes_in_memory()})
        metrics.RESOLVED.set_function(
            lambda: {one: lane.definitions.journeys.remembered for one, lane in self._lanes_in_memory()}
        )
        metrics.REMEMBERED_IDS.set_function(
            lambda: {one: len(lane.counted_ids) for one, lane in self._lanes_in_memory()}
        )
        self._log = SharedLogIdentity(lambda: log_identity(settings.kafka_connection(), settings.topic))

    def stop(self) -> None:
        """Give up what is being retried: it raises Stopped."""
        self._stop.set()

    def load(self, partition: int) -> Lane:
        """The lane of a partition, as the tables have it; for several threads. Raises Stopped."""

        def loaded() -> Lane:
            topic = self._settings.topic
            return take_over(topic, partition, lambda: self._log.now()[partition], self, self._writers)

        lane = self._loaded[partition] = self._retry(f"the lane of partition {partition}", loaded, _AWAY)
        put_in_force(lane.definitions.instruments)
        return lane

    def _lanes_in_memory(self) -> Sequence[tuple[int, Lane]]:
        """The loaded lanes that are still in use."""
        return list(self._loaded.items())

    def take(self, lane: Lane, records: Records) -> None:
        """Measure records, waiting for a schema registry that is away. Raises Stopped."""
        self._retry("the schema registry", lambda: lane.take(records), (RegistryUnavailable,))
        # As this lane has switched, so do rolling windows, if this worker leads.
        put_in_force(lane.definitions.instruments)

    def write(self, lanes: Sequence[LaneRows]) -> None:
        """Write what lanes want written; returns when all is acknowledged. Raises Stopped."""
        flush = flush_of(lanes)
        try:
            while rejected := self._writer.write(flush, self._stop):
                log.error("rows that ClickHouse cannot take become dead letters", rows=len(rejected))
                metrics.DEAD_LETTERS.labels(REJECTED).inc(len(rejected))
                flush = without(flush, rejected, lanes)
        except SinkBusy as busy:
            raise Stopped("a flush") from busy
        except LogsLeft as left:
            self.write(_but_those(left, lanes))

    def raw_events(self, log_id: str, partition: int, from_offset: int) -> pa.Table:
        """As `LeftTables.raw_events`."""
        return self._reader.raw_events(log_id, partition, from_offset)

    def raw_events_at(self, log_id: str, partition: int, offsets: Sequence[int]) -> pa.Table:
        """As `LeftTables.raw_events_at`."""
        return self._reader.raw_events_at(log_id, partition, offsets)

    def complete(self, row: LaneRow, panes: pa.Table) -> None:
        """As `LeftTables.complete`."""
        try:
            self._writer.write(Flush({"stage_panes": of_lane(panes, row)}), self._stop)
        except SinkBusy as busy:
            raise Stopped("panes of a log that is lost") from busy

    def begin(self, row: LaneRow, lateness_ms: int) -> None:
        """As `LaneTables.begin`."""
        self.write([first_rows(row, lateness_ms)])

    def lane_rows(self, topic: str, partition: int) -> Sequence[LaneRow]:
        """As `LaneTables.lane_rows`; no clock is far ahead of this machine's and of ClickHouse's."""
        now_ms = max(times.now_ms(), clock_ms(self.client))
        return [row.not_ahead_of(now_ms) for row in self._reader.lane_history(topic, partition)]

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        """As `LaneTables.newest_panes`."""
        return self._reader.newest_panes(log_id, partition, resolution_s, limit)

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """As `LaneTables.panes_by_key`; waits for ClickHouse. Raises Stopped."""
        return self._retry("older panes", lambda: self._reader.panes_by_key(log_id, partition, keys), _AWAY)

    def counted_ids(self, log_id: str, partition: int, offsets: tuple[int, int], since_ms: int) -> Iterable[pa.Table]:
        """As `LaneTables.counted_ids`."""
        return self._reader.counted_event_ids(log_id, partition, offsets, since_ms)

    def versions(
        self, log_id: str, partition: int, event_ids: Sequence[str], below_offset: int, since_ms: int
    ) -> pa.Table:
        """As `LaneTables.versions`; waits for ClickHouse. Raises Stopped."""
        return self._retry(
            "versions of answers",
            lambda: self._reader.versions(log_id, partition, event_ids, below_offset, since_ms),
            _AWAY,
        )

    def amendments(self, log_id: str, partition: int, below_offset: int, since_ms: int) -> pa.Table:
        """As `LaneTables.amendments`."""
        return self._reader.amendments(log_id, partition, below_offset, since_ms)

    def definitions(self, version: str | None) -> str:
        """As `LaneTables.definitions`. Raises LookupError, which is retried, until `init` has made them known."""
        for known in known_definitions(self.client):
            if known.version == version or (version is None and known.in_force_since is not None):
                return known.content
        raise LookupError(f"definitions {version or ''} are not in the tables yet: run `touchstream init`")

    def control_keys(self) -> str:
        """As `LaneTables.control_keys`. Raises LookupError, which is retried, until `init` has made the first."""
        found = known_keys(self.client)
        if not found:
            raise LookupError("no control key is in the tables yet: run `touchstream init`")
        return keys_text(ControlKey(one.public, one.until) for one in found)

    def _retry(self, what: str, attempt: Callable[[], Result], errors: tuple[type[Exception], ...]) -> Result:
        """Try until none of the errors comes. Raises Stopped, and any other error at once."""
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                return attempt()
            except errors as error:
                log.warning("waiting", what=what, seconds=wait_seconds, error=str(error).splitlines()[0][:300])
            if self._stop.wait(wait_seconds):
                raise Stopped(what)
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)


def _but_those(left: LogsLeft, lanes: Sequence[LaneRows]) -> Sequence[LaneRows]:
    """The lanes whose logs have no next ones."""
    kept = []
    for lane in lanes:
        if (lane.row.log_id, lane.row.partition) not in left.lanes:
            kept.append(lane)
        elif lane.touchpoints is not None:
            metrics.LOST_RECORDS.inc(lane.touchpoints.height)
            log.error(
                "events lost with their log: another worker has begun the next one before they were written",
                topic=lane.row.topic, partition=lane.row.partition, lost=lane.touchpoints.height,
            )  # fmt: skip
    return kept
