"""A sink that is a list: it serves every test that needs the contract and no server."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from touchstream.sinks.clickhouse.rows import (
    EVENT_CONTENT,
    EVENT_IDENTITY,
    EVENT_IDS,
    PANE_KEY,
    TABLES,
    in_commit_order,
)
from touchstream.sinks.sink import REJECTED, Flush, LaneRow, Rejected, SinkBusy, SinkRefused

Row = Mapping[str, Any]


def _never(_table: str, _row: Row) -> bool:
    return False


def _nothing(_table: str) -> None:
    return None


class MemorySink:
    """Keeps what ClickHouse would keep after all merges, and answers what a lane's new owner asks (`LaneReader`).

    refuses(table, row): whether that row can never be written. before_insert(table): called before each insert; what
    it raises leaves `write` there, as a crash would. `away`: while true, `write` waits for `stop`.
    """

    def __init__(
        self,
        refuses: Callable[[str, Row], bool] = _never,
        before_insert: Callable[[str], None] = _nothing,
    ) -> None:
        self.away = False
        self.inserts: list[tuple[str, pa.Table]] = []
        """Every acknowledged insert, in order."""
        self._refuses = refuses
        self._before_insert = before_insert
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {table: {} for table in TABLES}

    def write(self, flush: Flush, stop: Event) -> tuple[Rejected, ...]:
        """Take one flush in its commit order, as `sinks.sink` promises."""
        for table, rows in in_commit_order(flush.tables).items():
            if rejected := self._insert(table, rows, stop):
                return tuple(rejected)
        return ()

    def _insert(self, table: str, rows: pa.Table, stop: Event) -> list[Rejected]:
        self._before_insert(table)
        while self.away:
            if stop.wait(0.01):
                raise SinkBusy(f"the sink is away and did not take {table}", 0.01)
        refused = [index for index, row in enumerate(rows.to_pylist()) if self._refuses(table, row)]
        if refused and table != "touchpoints":
            raise SinkRefused(f"the sink refused rows of {table}")
        kept = rows.filter(pa.array([index not in refused for index in range(rows.num_rows)], pa.bool_()))
        self.inserts.append((table, kept))
        for row in kept.to_pylist():
            self._replace(table, row)
        return [Rejected(table, index, 0, "refused") for index in refused]

    def _replace(self, table: str, row: Row) -> None:
        rows, version = TABLES[table], TABLES[table].version
        key = tuple(row[name] for name in rows.key)
        known = self._rows[table].get(key)
        if known is None or version is None or row[version] >= known[version]:
            self._rows[table][key] = row

    def final(self, table: str) -> pa.Table:
        """The rows of a table that stand, by key: what `SELECT … FINAL` gives."""
        rows = self._rows[table]
        return pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=TABLES[table].schema)

    def lane_history(self, topic: str, partition: int) -> list[LaneRow]:
        """As `LaneReader.lane_history`; `written_at_ms` is 0, for nothing here has a clock."""
        rows = [row for row in self._rows["lanes"].values() if (row["topic"], row["partition"]) == (topic, partition)]
        return [_lane_row(row) for row in sorted(rows, key=lambda row: int(row["generation"]))]

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        """As `LaneReader.newest_panes`."""
        panes = self._of_lane("stage_panes", log_id, partition)
        panes = panes.filter(pc.equal(panes["resolution_s"], resolution_s))
        return panes.sort_by([(name, "descending") for name in PANE_KEY]).slice(0, limit)

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """As `LaneReader.panes_by_key`."""
        schema = pa.schema([TABLES["stage_panes"].schema.field(name) for name in PANE_KEY])
        wanted = {tuple(key.values()) for key in keys.select(PANE_KEY).cast(schema).to_pylist()}
        panes = self._of_lane("stage_panes", log_id, partition)
        keys_there = [tuple(key.values()) for key in panes.select(PANE_KEY).to_pylist()]
        return panes.filter(pa.array([key in wanted for key in keys_there], pa.bool_()))

    def counted_event_ids(
        self, log_id: str, partition: int, offsets: tuple[int, int], clock_from_ms: int
    ) -> Iterator[pa.Table]:
        """As `LaneReader.counted_event_ids`."""
        letters = self._of_lane("dead_letters", log_id, partition)
        refused = letters.filter(pc.equal(letters["reason"], REJECTED)).to_pylist()
        events = pa.concat_tables(
            [
                self._of_lane("touchpoints", log_id, partition).select(EVENT_IDS.names),
                pa.Table.from_pylist([_id(letter) for letter in refused if letter["value"]], EVENT_IDS),
            ]
        ).sort_by("log_offset")
        of_the_span = pc.and_(
            pc.greater_equal(events["log_offset"], offsets[0]), pc.less(events["log_offset"], offsets[1])
        )
        inside = pc.and_(of_the_span, pc.greater_equal(events["lane_clock"].cast(pa.int64()), clock_from_ms))
        yield events.filter(inside)

    def _of_lane(self, table: str, log_id: str, partition: int) -> pa.Table:
        rows = self.final(table)
        return rows.filter(pc.and_(pc.equal(rows["log_id"], log_id), pc.equal(rows["partition"], partition)))


def _id(letter: Row) -> Row:
    event = json.loads(letter["value"])
    lane_clock = datetime.fromisoformat(event["lane_clock"])
    key = event["kafka_key"]
    said = {name: event[name] for name in (*EVENT_IDENTITY, *EVENT_CONTENT)}
    place = {"log_offset": letter["log_offset"], "lane_clock": lane_clock}
    times = {"occurred_at": datetime.fromisoformat(event["occurred_at"])}
    return said | times | place | {"kafka_key": None if key is None else base64.b64decode(key)}


def _lane_row(row: Row) -> LaneRow:
    instants = ("lane_clock", "occurred_max", "watermark", "ids_since")
    milliseconds = {f"{name}_ms": round(row[name].timestamp() * 1000) for name in instants}
    others = {name: row[name] for name in TABLES["lanes"].schema.names if name not in instants}
    return LaneRow(**others, **milliseconds, written_at_ms=0)
