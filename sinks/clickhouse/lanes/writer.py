"""The writer: one flush into ClickHouse, one insert per table, lanes last (`sinks.sink.Flush` has the order).

ClickHouse being slow or away holds the caller up and drops nothing: back-pressure reaches Kafka through the blocked
call. Rows are absolute, so that an insert whose answer was lost is simply sent again.
"""

from dataclasses import dataclass
from random import SystemRandom
from threading import Event
from typing import Final

import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.errors import Kind, code, first_line, kind, remedy
from touchstream.sinks.clickhouse.rows import arrow_stream, in_commit_order
from touchstream.sinks.clickhouse.sql import query_text
from touchstream.sinks.sink import Flush, LogsLeft, Rejected, SinkBusy, SinkRefused

log = structlog.get_logger(__name__)
_random = SystemRandom()

FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 10.0
"""Longest back-off in seconds: notices a server soon after it is back, and doesn't burden one that struggles."""
REJECTED_ROWS_MAX: Final = 1_000
"""Most rejected rows in one table of one flush; more mean that the sink is at fault, not the rows."""


@dataclass(frozen=True)
class Writing:
    """How inserts are made.

    gather: the server gathers the inserts of many workers into one part (`async_insert`); acknowledged all the same
    only when written. quorum: on a cluster, acknowledged by a majority of replicas and readable in sequence.
    """

    gather: bool = False
    quorum: bool = False

    def settings(self) -> dict[str, str | int]:
        """ClickHouse settings of each insert."""
        # Said even when off: servers since 26.3 gather by default, and small waits would add up.
        # Rows of one insert have keys of their own, in touchpoints as in what its views feed: merging them while they
        # are written took two thirds of an insert's time. What is written twice is merged later, and read once (FINAL).
        chosen: dict[str, str | int] = {"async_insert": int(self.gather), "optimize_on_insert": 0}
        if self.gather:
            chosen["wait_for_async_insert"] = 1
        if self.quorum:
            chosen |= {"insert_quorum": "auto", "insert_quorum_parallel": 0}
        return chosen


class LaneWriter:
    """Writes flushes; the outcomes are those of `sinks.sink`. Blocking; made for one executor thread."""

    def __init__(self, client: Client, writing: Writing | None = None) -> None:
        self._client = client
        writing = writing or Writing()
        self._settings = writing.settings()
        self._reading = {"select_sequential_consistency": 1} if writing.quorum else {}

    def write(self, flush: Flush, stop: Event) -> tuple[Rejected, ...]:
        """Write one flush in its commit order; `sinks.sink` has the outcomes.

        Blocks for as long as ClickHouse is slow or away, and tries again until `stop` is set. Raises ValueError for
        rows that aren't of their table's schema, before anything is sent.
        """
        for table, rows in in_commit_order(flush.tables).items():
            if rejected := self._write_table(table, rows, stop):
                return tuple(rejected)
        return ()

    def _write_table(self, table: str, rows: pa.Table, stop: Event) -> list[Rejected]:
        rejected: list[Rejected] = []
        if rows.num_rows:
            self._write_rows(table, rows, 0, rejected, stop)
        if rows.num_rows == len(rejected) > 1:
            raise SinkRefused(f"ClickHouse refused every row of {table}: {rejected[0].message}")
        return rejected

    def _write_rows(self, table: str, rows: pa.Table, first: int, rejected: list[Rejected], stop: Event) -> None:
        """Insert `rows`, which begin at row `first` of their table; halve them around what can't be written."""
        try:
            self._insert(table, rows, stop)
        except ClickHouseError as error:
            if kind(error) is Kind.SETUP:
                raise SinkRefused(
                    f"ClickHouse takes no rows of {table}: {first_line(error)}; {remedy(error)}"
                ) from error
            if table != "touchpoints" or len(rejected) >= REJECTED_ROWS_MAX:
                raise SinkRefused(f"ClickHouse refused rows of {table}: {first_line(error)}") from error
            half = rows.num_rows // 2
            if half == 0:
                rejected.append(Rejected(table, first, code(error) or 0, first_line(error)))
                return
            self._write_rows(table, rows.slice(0, half), first, rejected, stop)
            self._write_rows(table, rows.slice(half), first + half, rejected, stop)

    def _refuse_left(self, touchpoints: pa.Table) -> None:
        """Raises LogsLeft where lanes of these rows go on in next logs. Asked before each try: between two of them
        another worker may have begun a log."""
        rows = touchpoints.group_by(["log_id", "partition"]).aggregate([]).to_pylist()
        lanes = {(row["log_id"], row["partition"]) for row in rows}
        found = self._client.query(
            query_text("successors"), {"log_ids": sorted({log_id for log_id, _ in lanes})}, settings=self._reading
        )
        if left := lanes.intersection(found.result_rows):
            raise LogsLeft(left)

    def _insert(self, table: str, rows: pa.Table, stop: Event) -> None:
        """One insert, tried until it is acknowledged; raises what is no matter of time, and SinkBusy on `stop`."""
        body = arrow_stream(rows)
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                if table == "touchpoints":
                    self._refuse_left(rows)
                self._client.raw_insert(
                    table, rows.column_names, body, settings=dict(self._settings), fmt="ArrowStream"
                )
            except ClickHouseError as error:
                if kind(error) is not Kind.BUSY:
                    raise
                pause = wait_seconds * (0.5 + _random.random() / 2)
                log.warning(
                    "ClickHouse did not take an insert; it is sent again",
                    table=table, rows=rows.num_rows, wait_seconds=round(pause, 3), error=first_line(error),
                )  # fmt: skip
                if stop.wait(pause):
                    raise SinkBusy(f"ClickHouse did not take {table}: {first_line(error)}", pause) from error
                wait_seconds = min(2 * wait_seconds, LONGEST_WAIT_SECONDS)
            else:
                return
