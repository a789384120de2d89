"""Tables in memory: what ClickHouse makes of the rows after its merges, without ClickHouse."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from tests.oracle.control import FIRST_KEYS
from tests.oracle.log import Definitions
from tests.oracle.recompute import Tables
from touchstream.schemas.lane_row import LaneRow
from touchstream.sinks.clickhouse.rows import (
    AMENDMENTS,
    EVENT_IDS,
    PANE_KEY,
    RAW_EVENTS,
    STAGE_PANES,
    TOUCHPOINTS,
    VERSIONS,
)
from touchstream.streams.measure.lane import LaneRows
from touchstream.streams.worker.flush import first_rows, flush_of, of_lane

_INSTANTS = (
    "record_at",
    "lane_clock",
    "occurred_at",
    "received_at",
    "pane_start",
    "occurred_max",
    "watermark",
    "ids_since",
    "erased_at",
)
_INSTANT = pa.timestamp("ms", "UTC")
_MAPS = tuple(field.name for field in (*STAGE_PANES, *TOUCHPOINTS) if pa.types.is_map(field.type))
_NO_PANES = STAGE_PANES.empty_table()
_PANE_MEASURES = [name for name in STAGE_PANES.names if name not in ("log_id", "partition", *PANE_KEY)]
# what a lane row says besides what follows from the log; see tests/model/truth.py
IDENTITY = ("topic", "generation", "predecessor_log_id", "predecessor_next_offset")
COMPLETED = "stage_panes of a log that was lost"
"""Panes of what its owner left: duplicates behind its lane row are not known any more."""

Row = dict[str, Any]


class MemoryTables:
    """A `streams.worker.takeover.LaneTables` that remembers. Rows replace rows of their key with a lower version.

    accept(table, row): told of every row before it is kept; it raises where a row should never have been written.
    """

    def __init__(self, first: Definitions, accept: Callable[[str, Row], None]) -> None:
        self._known = {first.version: json.dumps(asdict(first))}
        self._first = first.version
        self._accept = accept
        self._meanwhile: list[Callable[[], None]] = []
        self.touchpoints: dict[tuple[str, int], Row] = {}
        self.panes: dict[tuple[str, tuple[Any, ...]], Row] = {}
        self.letters: dict[tuple[str, int], str] = {}
        self.erasures: dict[tuple[str, int, str], int] = {}
        self.controls: dict[tuple[str, int], bool] = {}
        self.lanes: dict[str, Row] = {}
        self.known: dict[str, tuple[int, int]] = {}
        """By log, its lane's next offset and the offset behind its last raw event, as of the last look at lane rows."""

    def insert(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Insert (table, row) pairs in this order."""
        for table, row in rows:
            if table == "definitions":
                self._known[row["version"]] = row["content"]
                continue
            if table == "lanes" and row["definitions"] not in self._known:
                raise AssertionError(f"a lane row names definitions that the tables do not hold: {row}")
            self._accept(table, row)
            log = row["log_id"]
            if table == "touchpoints":
                self.touchpoints[log, row["log_offset"]] = row
            elif table in ("stage_panes", COMPLETED):
                _replace(self.panes, (log, pane_key(row)), row, "log_offset")
            elif table == "dead_letters":
                self.letters[log, row["log_offset"]] = row["reason"]
            elif table == "control_records":
                self.controls[log, row["log_offset"]] = row["obeyed"]
            elif table == "erasures":
                self.erasures[log, row["log_offset"], row["id_hash"]] = row["erased_at"]
            else:
                _replace(self.lanes, log, row, "next_offset")

    def after_reads(self, reads: int, something: Callable[[], None]) -> None:
        """Let something happen between two of the reads to come."""
        self._meanwhile = [*([_nothing] * reads), something]

    def _read(self) -> None:
        if self._meanwhile:
            self._meanwhile.pop(0)()

    def lane_rows(self, topic: str, partition: int) -> Sequence[LaneRow]:
        self._read()
        kept = [row for row in self.lanes.values() if (row["topic"], row["partition"]) == (topic, partition)]
        self.known = {row["log_id"]: (row["next_offset"], self.raw_end(row["log_id"])) for row in kept}
        in_ms = ("lane_clock", "occurred_max", "ids_since")
        rows = [
            {f"{name}_ms" if name in in_ms else name: value for name, value in row.items() if name != "watermark"}
            for row in kept
        ]
        return sorted((LaneRow(**row) for row in rows), key=lambda row: row.generation)

    def begin(self, row: LaneRow, lateness_ms: int) -> None:
        self._read()
        self.insert(rows_of([first_rows(row, lateness_ms)]))

    def raw_end(self, log_id: str) -> int:
        """The offset behind the last raw event of a log."""
        return 1 + max((at for log, at in self.touchpoints if log == log_id), default=-1)

    def raw_events(self, log_id: str, partition: int, from_offset: int) -> pa.Table:
        self._read()
        rows = [row for row in self._of(self.touchpoints, log_id, partition) if row["log_offset"] >= from_offset]
        return _by_offset(rows, RAW_EVENTS)

    def raw_events_at(self, log_id: str, partition: int, offsets: Sequence[int]) -> pa.Table:
        self._read()
        rows = [row for row in self._of(self.touchpoints, log_id, partition) if row["log_offset"] in offsets]
        return _by_offset(rows, RAW_EVENTS)

    def versions(
        self, log_id: str, partition: int, event_ids: Sequence[str], below_offset: int, since_ms: int
    ) -> pa.Table:
        self._read()
        rows = self._counted(log_id, partition, below_offset, since_ms)
        return _by_offset([row for row in rows if {row["event_id"], row["amends"]} & {*event_ids}], VERSIONS)

    def amendments(self, log_id: str, partition: int, below_offset: int, since_ms: int) -> pa.Table:
        self._read()
        rows = self._counted(log_id, partition, below_offset, since_ms)
        return _by_offset([row for row in rows if row["amends"]], AMENDMENTS)

    def _counted(self, log_id: str, partition: int, below_offset: int, since_ms: int) -> list[Row]:
        rows = self._of(self.touchpoints, log_id, partition)
        return [row for row in rows if row["log_offset"] < below_offset and row["lane_clock"] >= since_ms]

    def complete(self, row: LaneRow, panes: pa.Table) -> None:
        self._read()
        self.insert((COMPLETED, pane) for pane in plain(of_lane(panes, row)))

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        self._read()
        rows = [row for row in self._of(self.panes, log_id, partition) if row["resolution_s"] == resolution_s]
        return _panes(sorted(rows, key=lambda row: int(row["pane_start"]), reverse=True)[:limit])

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        self._read()
        wanted = {pane_key(row) for row in plain(keys)}
        return _panes([row for row in self._of(self.panes, log_id, partition) if pane_key(row) in wanted])

    def counted_ids(self, log_id: str, partition: int, offsets: tuple[int, int], since_ms: int) -> Iterable[pa.Table]:
        self._read()
        rows = [
            {name: row[name] for name in EVENT_IDS.names}
            for row in self._of(self.touchpoints, log_id, partition)
            if offsets[0] <= row["log_offset"] < offsets[1] and row["lane_clock"] >= since_ms
        ]
        yield pa.Table.from_pylist(sorted(rows, key=lambda row: int(row["log_offset"])), EVENT_IDS)

    @staticmethod
    def _of(table: Mapping[tuple[str, Any], Row], log_id: str, partition: int) -> list[Row]:
        return [row for (log, _), row in table.items() if log == log_id and row["partition"] == partition]

    def definitions(self, version: str | None) -> str:
        return self._known[version or self._first]

    def control_keys(self) -> str:
        return FIRST_KEYS

    def of_lane(self, log_id: str) -> Tables:
        """The rows of one lane in the oracle's form."""
        return Tables(
            touchpoints={at: row for (log, at), row in self.touchpoints.items() if log == log_id},
            panes={key: measures(row) for (log, key), row in self.panes.items() if log == log_id},
            controls={at: obeyed for (log, at), obeyed in self.controls.items() if log == log_id},
            dead_letters={at: reason for (log, at), reason in self.letters.items() if log == log_id},
            erasures={(at, one): until for (log, at, one), until in self.erasures.items() if log == log_id},
            lane=of_the_log(self.lanes.get(log_id, {})),
        )


def rows_of(lanes: Sequence[LaneRows]) -> list[tuple[str, Row]]:
    """What lanes want written, as (table, row) in the order of a flush."""
    return [(name, row) for name, rows in flush_of(lanes).tables.items() for row in plain(rows)]


def plain(rows: pa.Table) -> list[Row]:
    """Arrow rows as dicts, instants in whole milliseconds since 1970."""
    if not rows.num_rows:
        return []
    names = rows.column_names
    columns = [_values(name, column) for name, column in zip(names, rows.columns, strict=True)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    if name in _INSTANTS:
        column = column.cast(_INSTANT).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return [dict(value) for value in values] if name in _MAPS else values


def pane_key(row: Row) -> tuple[Any, ...]:
    return tuple([row[name] for name in PANE_KEY])


def measures(pane: Row) -> Row:
    """What the oracle says of a pane besides its key."""
    return {name: pane[name] for name in _PANE_MEASURES}


def of_the_log(lane_row: Row) -> Row:
    """What the oracle says of a lane."""
    return {name: value for name, value in lane_row.items() if name not in IDENTITY}


def _replace(table: dict[Any, Row], key: object, row: Row, version: str) -> None:
    held = table.get(key)
    if held is None or held[version] <= row[version]:
        table[key] = row


def _by_offset(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    chosen = [{name: row[name] for name in schema.names} for row in rows]
    return pa.Table.from_pylist(sorted(chosen, key=lambda row: int(row["log_offset"])), schema)


def _panes(rows: Sequence[Row]) -> pa.Table:
    if not rows:
        return _NO_PANES
    listed = [row | {name: list(row[name].items()) for name in _MAPS if name in row} for row in rows]
    return pa.Table.from_pylist(listed, STAGE_PANES)


def _nothing() -> None:
    """Nothing happens."""
