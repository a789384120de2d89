"""Plain rows of the lane's tables."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from tests.oracle.panes import empty_pane, pane_keys, touch
from touchstream.schemas.touchpoint import NUMBER_COLUMNS
from touchstream.sinks.clickhouse.rows import TABLES

Row = dict[str, Any]
PANE_KEY = ("resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment")
HOUR_MS = 3_600_000
NOON_MS = 497_220 * HOUR_MS
"""An instant of 2026 at which panes of every resolution begin."""


def touchpoint(offset: int = 0, **changes: Any) -> Row:
    """A row of `touchpoints`: a plain contact at noon."""
    row: Row = {
        "log_id": "log", "partition": 0, "log_offset": offset, "record_at": NOON_MS, "lane_clock": NOON_MS,
        "definitions": "v1", "event_id": f"event-{offset}", "occurred_at": NOON_MS, "customer_id": "ann",
        "anonymous_id": "", "journey": "default", "stage": "use", "channel": "web", "touchpoint": "page", "segment": "",
        "declared": True, "late": False, "action": "contact", "outcome": "", "currency": "", "attributes": [],
        **dict.fromkeys(NUMBER_COLUMNS), "received_at": None, "source": "", "sent_by": "", "kafka_key": None,
        "instrument": "", "amends": "", "replaced": None,
    }  # fmt: skip
    return row | changes


def pane(**changes: Any) -> Row:
    """A row of `stage_panes` that has seen nothing, of the hour at noon."""
    names = {"journey": "default", "stage": "use", "channel": "web", "touchpoint": "page", "segment": ""}
    place: Row = {"log_id": "log", "partition": 0, "resolution_s": 3600, "pane_start": NOON_MS}
    return place | names | empty_pane() | changes


def panes_of(touchpoints: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The panes of all resolutions that hold these events, by the oracle."""
    panes: dict[tuple[Any, ...], Row] = {}
    for row in touchpoints:
        for key in pane_keys(row):
            lane = (row["log_id"], row["partition"])
            place = dict(zip(PANE_KEY, key, strict=True)) | {"log_id": lane[0], "partition": lane[1]}
            found = panes.setdefault((*lane, *key), place | empty_pane())
            touch(found, row)
            found["log_offset"] = max(found["log_offset"], row["log_offset"])
    return list(panes.values())


def lane(**changes: Any) -> Row:
    """A row of `lanes` that has seen everything up to noon."""
    row: Row = {
        "topic": "touchpoints", "partition": 0, "log_id": "log", "generation": 1, "next_offset": 1,
        "lane_clock": NOON_MS, "occurred_max": NOON_MS, "watermark": NOON_MS, "definitions": "v1",
        "predecessor_log_id": "", "predecessor_next_offset": 0, "ids_since": 0,
        "ids_from": -(2**62),  # as rows of the time before that column
        "control_sequence": 0, "control_keys": "",
    }  # fmt: skip
    return row | changes


def dead_letter(offset: int = 0, **changes: Any) -> Row:
    """A row of `dead_letters`."""
    row: Row = {
        "log_id": "log", "partition": 0, "log_offset": offset, "topic": "touchpoints", "record_at": NOON_MS,
        "reason": "undecodable", "detail": "truncated", "key": b"ann", "value": b"\xff\x00", "headers": [],
    }  # fmt: skip
    return row | changes


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as the Arrow table that a flush carries; maps may be dicts."""
    ready = [{column: list(v.items()) if isinstance(v, dict) else v for column, v in row.items()} for row in rows]
    return pa.Table.from_pylist(ready, schema=TABLES[name].schema)
