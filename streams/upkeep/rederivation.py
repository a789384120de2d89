"""A new edition: everything derived anew under other definitions, from a time on, beside what is in force (0012).

The log is read again by the same lanes that workers have, into a database of its own. Below where the lanes in force
stood when the edition was begun, records that switch definitions do not count; from there on an edition is like any
other tables: interrupted, run again, or gone on with by workers, it ends in the same rows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.journey import DEFAULT_FILE, Journeys
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.paths import stage_paths
from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS, TIME_MS_MIN
from touchstream.sinks.clickhouse.client import connect_directly, database_url, first_database
from touchstream.sinks.clickhouse.database import in_force
from touchstream.sinks.clickhouse.lanes.control import sequence_below
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions, record_definitions
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.metrics.journeys import record_stages
from touchstream.sinks.clickhouse.migrations.migrate import migrate
from touchstream.sinks.clickhouse.upkeep.editions import Edition, Span, copy_history, editions, note_edition, seen_below
from touchstream.streams.broker.log_reader import LogReader, log_reader
from touchstream.streams.broker.topics import LogPosition, log_identity
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.lane import History, Lane
from touchstream.streams.measure.records import Records
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.asked_edition import EditionError
from touchstream.streams.upkeep.init import definitions_in_settings, migrating_as
from touchstream.streams.worker.lanes import Limits
from touchstream.streams.worker.store import WorkerTables

PENDING_ROWS_MAX: Final = 50_000
"""Most rows of all lanes together that wait to be written: about 15 MB."""
LAP_SECONDS: Final = 2.0
"""A lap reads to where the log ended when it began. One shorter than this has caught up as far as workers do."""
_COPIES_MAX: Final = 20
_HOUR_MS: Final = 3_600_000

Progress = Callable[[int, int], None]
"""Called with the number of records read, and of all as of now."""


@dataclass(frozen=True)
class Plan:
    """The plan of a re-derivation, from `source` into `database`.

    from_ms: event time, a whole hour; records: in the log from there on; begun: whether it goes on with what an earlier
    one began.
    """

    database: str
    version: str
    source: str
    from_ms: int
    spans: tuple[Span, ...]
    records: int
    begun: bool


class Restating:
    """Fills the edition of the settings' definitions, from a time on.

    from_ms: None goes on with the newest edition of these definitions; without one, it takes all that Kafka holds.
    """

    def __init__(self, settings: Settings, from_ms: int | None) -> None:
        """Raises DefinitionError, OSError, ClickHouseError."""
        self._settings = settings
        self._document = definitions_in_settings(settings)
        self._definitions = Definitions.parse(self._document.decode())
        self._wanted_ms = None if from_ms is None else from_ms // _HOUR_MS * _HOUR_MS
        self._base = first_database(settings.clickhouse_url)
        self._first = connect_directly(settings.clickhouse_url)

    def plan(self) -> Plan:
        """The plan of what would be done; changes nothing. Raises EditionError, TopicError."""
        connection, topic = self._settings.kafka_connection(), self._settings.topic
        positions = log_identity(connection, topic)
        source = in_force(self._first, self._base)
        begun = self._begun()
        if begun:
            left = _records_since(begun.spans, positions)
            return Plan(begun.database, begun.version, source, begun.from_ms, begun.spans, left, True)
        with log_reader(connection, topic) as reader:
            from_ms = self._since(reader, positions)
            begins = reader.offsets_since(positions, from_ms - FUTURE_LIMIT_MS)
        spans = self._spans(source, positions, begins)
        version = self._definitions.version
        database = f"{self._base}_{version}" + ("" if from_ms <= TIME_MS_MIN else f"_{from_ms // _HOUR_MS}")
        return Plan(database, version, source, from_ms, spans, _records_since(spans, positions), False)

    def run(self, progress: Progress) -> Plan:
        """Fill the edition until it has caught up with the log; called again, it goes on. Raises EditionError.

        One at a time: two that begin the same edition together could disagree on where history ends.
        """
        plan = self.plan()
        if plan.source == plan.database:
            raise EditionError(f"{plan.database} is in force already: workers go on with it")
        settings = self._settings.model_copy(update={"clickhouse_url": self._url(plan.database)})
        client = connect_directly(settings.clickhouse_url)
        migrate(client, migrating_as(settings))
        tables = WorkerTables(settings)
        if not plan.begun:
            plan = self._begin(plan, client, tables)
        _Replay(settings, plan, tables).run(progress)
        note_edition(self._first, _edition(plan, filled=True))
        return plan

    def _begun(self) -> Edition | None:
        of_these = [one for one in editions(self._first) if one.version == self._definitions.version]
        wanted = [one for one in of_these if self._wanted_ms in (None, one.from_ms)]
        return wanted[-1] if wanted else None

    def _since(self, reader: LogReader, positions: Mapping[int, LogPosition]) -> int:
        earliest = _earliest(reader, positions)
        wanted = earliest if self._wanted_ms is None else self._wanted_ms
        if wanted < earliest:
            said = datetime.fromtimestamp(earliest / 1000, UTC).isoformat()
            raise EditionError(f"Kafka no longer holds all events before {said}: take that time, or a later one")
        return wanted

    def _spans(self, source: str, positions: Mapping[int, LogPosition], begins: Mapping[int, int]) -> tuple[Span, ...]:
        """What is read again, and where each lane in force is now: history ends there."""
        rows = {row.partition: row for row in lanes(connect_directly(self._url(source)), self._settings.topic)}
        spans = []
        for partition, position in positions.items():
            row = rows.get(partition)
            if row is None or row.log_id.split("#")[0] != position.log_id:
                raise EditionError(f"partition {partition} was never measured: start a worker, and call this again")
            begin = min(begins[partition], row.next_offset)
            spans.append(Span(row.log_id, partition, begin, row.next_offset))
        return tuple(spans)

    def _begin(self, plan: Plan, client: Client, tables: WorkerTables) -> Plan:
        """History, the lanes' first rows, and last the note of it: interrupted, all of it is done again."""
        copies = 0
        while not copy_history(client, plan.source, plan.from_ms, plan.spans):
            copies += 1
            if copies == _COPIES_MAX:
                raise EditionError("events of before that time keep arriving: call this again when fewer do")
            plan = self.plan()
        journeys = Journeys.load(self._settings.journey_file or DEFAULT_FILE).journeys
        record_stages(client, plan.version, stage_paths(journeys))
        if known_definitions(client)[-1].version != plan.version:
            record_definitions(client, plan.version, self._document.decode(), in_force=True)
        before = {row.partition: row for row in lanes(connect_directly(self._url(plan.source)), self._settings.topic)}
        for span in plan.spans:
            row = before[span.partition]
            first = LaneRow(
                topic=row.topic,
                partition=row.partition,
                log_id=span.log_id,
                generation=row.generation,
                next_offset=span.from_offset,
                lane_clock_ms=0,
                occurred_max_ms=TIME_MS_MIN,
                definitions=plan.version,
                predecessor_log_id=row.predecessor_log_id,
                predecessor_next_offset=row.predecessor_next_offset,
                control_sequence=sequence_below(client, span.log_id, row.partition, span.from_offset),
                control_keys=tables.control_keys(),
            )
            tables.begin(self._as_of(first, client, tables), self._definitions.lateness_ms)
        note_edition(self._first, _edition(plan, filled=False))
        return plan

    def _as_of(self, first: LaneRow, client: Client, tables: WorkerTables) -> LaneRow:
        """The row with what the lane had seen when it was there, as far as counted events and the log before say."""
        before = [
            row for row in tables.lane_rows(first.topic, first.partition) if row.log_id == first.predecessor_log_id
        ]
        for row in before:
            first = replace(
                first,
                lane_clock_ms=row.lane_clock_ms,
                occurred_max_ms=row.occurred_max_ms,
                ids_since_ms=row.ids_since_ms,
                ids_from=row.ids_from - first.predecessor_next_offset,
                control_sequence=max(row.control_sequence, first.control_sequence),
            )
        clock, occurred_max = seen_below(client, first.log_id, first.partition, first.next_offset) or (0, TIME_MS_MIN)
        first = replace(first, occurred_max_ms=max(first.occurred_max_ms, occurred_max))
        clock = max(first.lane_clock_ms, clock)
        horizon_ms, ids_max = self._definitions.duplicate_horizon_ms, self._definitions.duplicate_ids_max
        return first.moved_to(first.next_offset, clock, horizon_ms, ids_max)

    def _url(self, database: str) -> str:
        return database_url(self._settings.clickhouse_url, database)


class _Replay:
    """Reads the log again, into an edition that has been begun. settings: of its database."""

    def __init__(self, settings: Settings, plan: Plan, tables: WorkerTables) -> None:
        self._settings, self._plan, self._tables = settings, plan, tables
        self._lanes = {span.partition: self._lane(span) for span in plan.spans}

    def run(self, progress: Progress) -> None:
        """Laps, until one is short."""
        read, connection, topic = 0, self._settings.kafka_connection(), self._settings.topic
        with log_reader(connection, topic) as reader:
            reader.seek({partition: lane.row.next_offset for partition, lane in self._lanes.items()})
            began, lap_seconds = time.monotonic(), LAP_SECONDS
            while lap_seconds >= LAP_SECONDS:
                positions = log_identity(connection, topic)
                for records, left in reader.until({one: positions[one].end_offset for one in self._lanes}):
                    read += sum(map(len, records.values()))
                    self._take(records)
                    progress(read, read + left)
                self._flush()
                lap_seconds, began = time.monotonic() - began, time.monotonic()

    def _lane(self, span: Span) -> Lane:
        lane = self._tables.load(span.partition)
        if lane.row.log_id == span.log_id:
            lane.history = History(self._plan.from_ms, span.to_offset)
        return lane

    def _take(self, records: Mapping[int, Records]) -> None:
        for partition, found in records.items():
            self._tables.take(self._lanes[partition], found)
        if sum(lane.pending_rows for lane in self._lanes.values()) > PENDING_ROWS_MAX:
            self._flush()

    def _flush(self) -> None:
        changed = [lane for lane in self._lanes.values() if lane.changed]
        if changed:
            self._tables.write([lane.flush_rows() for lane in changed])
        for lane in changed:
            lane.flushed(Limits.panes_max)


def _earliest(reader: LogReader, positions: Mapping[int, LogPosition]) -> int:
    """The first whole hour (ms) of which Kafka holds every event; TIME_MS_MIN where nothing was deleted."""
    cut = {partition: at for partition, at in positions.items() if at.begin_offset > 0}
    if not cut:
        return TIME_MS_MIN
    firsts = reader.first_timestamps(cut)
    now_ms = times.now_ms()
    newest = max(firsts.get(partition, now_ms) for partition in cut) + FUTURE_LIMIT_MS
    return -(-newest // _HOUR_MS) * _HOUR_MS


def _edition(plan: Plan, *, filled: bool) -> Edition:
    return Edition(plan.database, plan.version, plan.from_ms, plan.spans, datetime.now(UTC), filled)


def _records_since(spans: Sequence[Span], positions: Mapping[int, LogPosition]) -> int:
    return sum(max(0, positions[span.partition].end_offset - span.from_offset) for span in spans)
