"""The world of the workers: a partition whose log may begin anew, and the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.codec import WriterSchemas
from streams.topics import LogPosition
from tests.model.tables import MemoryTables, Row
from tests.model.truth import Ending, Truth, Untrue, truth_of
from tests.oracle.compare import difference
from tests.oracle.log import Definitions, Record
from tests.oracle.strategies import DEFINITIONS_KNOWN


@dataclass(frozen=True)
class Log:
    """A log of the partition. broker_id: what the broker calls it; short_end: its end when it was first looked at."""

    broker_id: str
    records: Sequence[Record]
    truth: Truth
    short_end: int | None = None

    @property
    def id(self) -> str:
        return self.truth.lane.log_id


class World:
    """One partition, its tables, and the schemas that its events may be written with.

    limited: what the design doesn't promise (tests/model/test_limits.py) doesn't happen.
    """

    def __init__(self, logs: Sequence[Sequence[Record]], first: Definitions, writers: WriterSchemas) -> None:
        self.writers = writers
        self.limited = True
        self._waiting = list(logs)
        self._first = first
        self._logs: dict[str, Log] = {}
        self._published: dict[str, int] = {}
        self.tables = MemoryTables([first, *DEFINITIONS_KNOWN], self._check)
        self.log = self._begin("log-1", "log-1", None)

    def begin_log(self, *, same_id: bool) -> None:
        """The log is lost, and another begins at offset 0: under an id of its own, or under the same and shorter."""
        if not self._waiting:
            return
        newest = max(self.tables.lanes.values(), key=lambda row: int(row["generation"]), default=None)
        if newest is None:
            self.log = self._begin(new := f"log-{len(self._logs) + 1}", new, None)
            return
        before = Ending(self._logs[newest["log_id"]].truth, newest["next_offset"])
        # Limit: a log that lost its rows under an unchanged id before its first lane row can't be told from before.
        if same_id and newest["log_id"] == self.log.id:
            broker_id = self.log.broker_id
            log_id = f"{broker_id}#{newest['generation'] + 1}"
        else:
            broker_id = log_id = f"log-{len(self._logs) + 1}"
        self.log = self._begin(broker_id, log_id, before)

    def _begin(self, broker_id: str, log_id: str, before: Ending | None) -> Log:
        records = self._waiting.pop(0)
        truth = truth_of(log_id, records, self._first, before)
        log = Log(broker_id, records, truth, before.next_offset - 1 if before else None)
        self._logs[log_id] = log
        return log

    def position(self) -> LogPosition:
        """What the broker says of the log now. Each record is published when a worker first reads it."""
        end = self._published.get(self.log.id, 0)
        # Limit: what begins anew under the same id is looked at, and has its lane row, before it has grown past the
        # end of the one before.
        if self.limited and self.log.short_end is not None and self.log.id not in self.tables.lanes:
            end = min(end, self.log.short_end)
        return LogPosition(self.log.broker_id, 0, end)

    def published(self, log: Log, end: int) -> None:
        """The log holds the records below `end` now."""
        self._published[log.id] = max(end, self._published.get(log.id, 0))

    def may_move(self, log: Log) -> bool:
        """Whether a worker may write a lane row now.

        Limit: a lane goes on from its predecessor's row, which must not move until the lane has a row of its own.
        """
        return not self.limited or log is self.log or {log.id, self.log.id} <= self.tables.lanes.keys()

    def _check(self, table: str, row: Row) -> None:
        log = self._logs.get(row["log_id"])
        if log is None:
            raise Untrue(f"a row of a log that never was: {row}")
        log.truth.check(table, row)

    def differences(self) -> list[str]:
        """What the tables hold too much, too little or wrongly, once everything in the last log is measured."""
        final = self.log.truth.history.final
        if not self.log.records:
            final.lane = {}
        lines = difference(final, self.tables.of_lane(self.log.id))
        for log in self._logs.values():
            lines += log.truth.missing(self.tables.of_lane(log.id))
        return lines
