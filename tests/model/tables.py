"""Tables in memory: what ClickHouse makes of the rows, without ClickHouse. They keep every version of every row."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from sinks.clickhouse.rows import STAGE_PANES, TOUCHPOINTS, conform
from streams.measure.lane import LaneRow
from tests import oracle
from tests.oracle.log import Definitions, Lane
from tests.oracle.recompute import Tables

PANE_KEY = ("resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment")
_INSTANTS = ("record_at", "lane_clock", "occurred_at", "received_at", "pane_start", "occurred_max", "watermark")
_IDS = pa.schema([TOUCHPOINTS.field("log_offset"), TOUCHPOINTS.field("lane_clock"), TOUCHPOINTS.field("event_id")])

Row = dict[str, Any]


class ConflictingFacts(AssertionError):
    """Two rows with one key and one version that say different things: the one rule is broken."""


class MemoryTables:
    """A `streams.takeover.LaneTables` that remembers. Rows replace rows of their key with a lower version."""

    def __init__(self, known: Sequence[Definitions]) -> None:
        self._known = {one.version: json.dumps(vars(one)) for one in known}
        self._first = known[0].version
        self.touchpoints: dict[tuple[str, int], Row] = {}
        self.panes: dict[tuple[str, tuple[Any, ...]], Row] = {}
        self.letters: dict[tuple[str, int], str] = {}
        self.lanes: dict[str, Row] = {}

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        """Insert rows, as a ReplacingMergeTree would after its merges."""
        for row in rows:
            if table == "touchpoints":
                self._fact(self.touchpoints, (row["log_id"], row["log_offset"]), row)
            elif table == "stage_panes":
                key = (row["log_id"], tuple(row[name] for name in PANE_KEY))
                self._newest(self.panes, key, row, "log_offset")
            elif table == "dead_letters":
                self._fact(self.letters, (row["log_id"], row["log_offset"]), row["reason"])
            else:
                self._newest(self.lanes, row["log_id"], row, "next_offset")

    @staticmethod
    def _fact(table: dict[Any, Any], key: Any, row: Any) -> None:
        if table.setdefault(key, row) != row:
            raise ConflictingFacts(f"{key}: {table[key]} and {row}")

    def _newest(self, table: dict[Any, Row], key: Any, row: Row, version: str) -> None:
        held = table.get(key)
        if held is None or held[version] < row[version]:
            table[key] = row
        elif held[version] == row[version] and held != row:
            raise ConflictingFacts(f"{key} at {row[version]}: {held} and {row}")

    def lane_rows(self, topic: str, partition: int) -> Sequence[LaneRow]:
        rows = [{name: value for name, value in row.items() if name != "watermark"} for row in self.lanes.values()]
        return sorted((LaneRow(**row) for row in rows), key=lambda row: row.generation)

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        rows = [row for (log, key), row in self.panes.items() if log == log_id and key[0] == resolution_s]
        return _panes(sorted(rows, key=lambda row: row["pane_start"], reverse=True)[:limit])

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        wanted = [tuple(row[name] for name in PANE_KEY) for row in plain(keys)]
        return _panes([self.panes[log_id, key] for key in wanted if (log_id, key) in self.panes])

    def counted_ids(self, log_id: str, partition: int, below: int, since_ms: int) -> Iterable[pa.Table]:
        rows = [
            {name: row[name] for name in _IDS.names}
            for (log, offset), row in sorted(self.touchpoints.items(), key=lambda item: item[0][1])
            if log == log_id and offset < below and row["lane_clock"] >= since_ms
        ]
        yield pa.Table.from_pylist(rows, _IDS)

    def definitions(self, version: str | None) -> str:
        return self._known[version or self._first]

    def of_lane(self, lane: Lane) -> Tables:
        """The rows of one lane in the oracle's form."""
        tables = Tables()
        tables.touchpoints = {at: _plain_maps(row) for (log, at), row in self.touchpoints.items() if log == lane.log_id}
        columns = [name for name in STAGE_PANES.names if name not in ("log_id", "partition", *PANE_KEY)]
        tables.panes = {
            key: _plain_maps({name: row[name] for name in columns})
            for (log, key), row in self.panes.items()
            if log == lane.log_id
        }
        tables.dead_letters = {at: reason for (log, at), reason in self.letters.items() if log == lane.log_id}
        row = self.lanes.get(lane.log_id, {})
        left_out = ("topic", "generation", "predecessor_log_id", "predecessor_next_offset")
        tables.lane = {name: value for name, value in row.items() if name not in left_out}
        return tables


def plain(rows: pa.Table) -> list[Row]:
    """Arrow rows as dicts with whole numbers: instants as milliseconds since 1970."""
    for name in _INSTANTS:
        if name in rows.column_names:
            at = rows.column_names.index(name)
            rows = rows.set_column(at, name, rows[name].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()))
    return rows.to_pylist()


def _panes(rows: Sequence[Row]) -> pa.Table:
    schema = pa.schema([pa.field(f.name, pa.int64() if f.name == "pane_start" else f.type) for f in STAGE_PANES])
    return conform("stage_panes", pa.Table.from_pylist(list(rows), schema))


def _plain_maps(row: Row) -> Row:
    maps = ("duration_sketch", "revenue_minor_by_currency", "purchase_revenue_minor_by_currency", "attributes")
    return {name: dict(value) if name in maps else value for name, value in row.items()}
