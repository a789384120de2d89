"""The world of the workers: a partition whose log may begin anew, and the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.model.tables import MemoryTables, Row
from tests.model.truth import PARTITION, Ending, Truth, Untrue, truth_of
from tests.oracle.compare import difference
from tests.oracle.control import signed
from tests.oracle.log import Definitions, Lane, Record
from touchstream.schemas.codec import WriterSchemas
from touchstream.streams.broker.topics import LogPosition


@dataclass(frozen=True)
class Log:
    """A log of the partition. broker_id: what the broker calls it."""

    id: str
    broker_id: str
    records: Sequence[Record]


class World:
    """One partition, its tables, and the schemas that its events may be written with."""

    def __init__(self, logs: Sequence[Sequence[Record]], first: Definitions, writers: WriterSchemas) -> None:
        self.writers = writers
        self._waiting = list(logs)
        self._first = first
        self._logs: dict[str, Log] = {}
        self._truths: dict[str, Truth] = {}
        self._published: dict[str, int] = {}
        self._endings: dict[str, Ending] = {}
        self.tables = MemoryTables(first, self._check)
        self.log = self._begin("log-1", "log-1")

    def begin_log(self, *, same_id: bool) -> None:
        """The log is lost, and another begins at offset 0: under an id of its own, or under the same and shorter."""
        if not self._waiting:
            return
        # Limit: a log that is lost under an unchanged id before its lane has moved can't be told from the next.
        row = self.tables.lanes.get(self.log.id)
        if same_id and row is not None and row["next_offset"] > 0:
            self.log = self._begin(self.log.broker_id, f"{self.log.broker_id}#{row['generation'] + 1}")
        else:
            self.log = self._begin(new := f"log-{len(self._logs) + 1}", new)

    def _begin(self, broker_id: str, log_id: str) -> Log:
        records = [signed(record, Lane(broker_id, PARTITION)) for record in self._waiting.pop(0)]
        self._logs[log_id] = log = Log(log_id, broker_id, records)
        return log

    def position(self) -> LogPosition:
        """What the broker says of the log now. Each record is published when a worker first reads it."""
        return LogPosition(self.log.broker_id, 0, self._published.get(self.log.id, 0))

    def published(self, log: Log, end: int) -> None:
        """The log holds the records below `end` now."""
        self._published[log.id] = max(end, self._published.get(log.id, 0))

    def _check(self, table: str, row: Row) -> None:
        log = self._logs.get(row["log_id"])
        if log is None:
            raise Untrue(f"a row of a log that never was: {row}")
        if log.id not in self._truths:
            self._truths[log.id] = truth_of(log.id, log.records, self._first, self._ending(table, row))
        self._truths[log.id].check(table, row)

    def _ending(self, table: str, first: Row) -> Ending | None:
        """Where the lane of the log before was left, as the first row of the next log says."""
        if table != "lanes":
            raise Untrue(f"a row before the first lane row of its log: {first}")
        newest = max(self.tables.lanes.values(), key=lambda row: int(row["generation"]), default=None)
        if newest is None:
            return None
        log_id, left_at = newest["log_id"], first["predecessor_next_offset"]
        flushed, raw_end = self.tables.known[log_id]
        # What its owner writes while the next log is begun may be part of it, or not.
        highest = max(newest["next_offset"], self.tables.raw_end(log_id))
        if first["predecessor_log_id"] != log_id or not max(flushed, raw_end) <= left_at <= highest:
            raise Untrue(f"{first} does not go on from {newest}, with raw events below {raw_end}")
        self._endings[log_id] = Ending(self._truths[log_id], flushed, left_at)
        return self._endings[log_id]

    def differences(self) -> list[str]:
        """What the tables hold too much, too little or wrongly, once everything in the last log is measured."""
        lines = difference(self._truths[self.log.id].history.final, self.tables.of_lane(self.log.id))
        for log_id, truth in self._truths.items():
            lines += truth.missing(self.tables.of_lane(log_id))
        for log_id, ending in self._endings.items():
            lines += ending.uncounted(self.tables.of_lane(log_id))
        return lines
