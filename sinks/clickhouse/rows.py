"""What the lane's tables take, as Arrow schemas: one place for column names, their order and their types.

`tests/contract/test_tables_match_schemas.py` holds these schemas and the migrated tables to each other. Columns that
the server fills in itself are not sent.

A ClickHouse String holds any bytes. `TEXT` is UTF-8, checked when it is cast; `BYTES` is what a dead letter brought.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from touchstream.schemas.measures import Measure
from touchstream.schemas.metrics import shipped
from touchstream.schemas.touchpoint import NUMBER_COLUMNS, NUMBERS, column_of

TEXT: Final = pa.string()
BYTES: Final = pa.binary()
INSTANT: Final = pa.timestamp("ms", tz="UTC")
COUNTS: Final = pa.list_(pa.int64())
MINOR_BY_CURRENCY: Final = pa.map_(TEXT, pa.int64())
ANSWERS: Final = pa.map_(TEXT, pa.int64())
SKETCH: Final = pa.map_(pa.int16(), pa.int64())

_NUMBERS: Final = {"int": pa.int8(), "long": pa.int64(), "double": pa.int64()}
"""By a number's type in Avro. Whole scales are short ones; fractions are kept in millionths."""
_MEASURES: Final = {
    "count": pa.int64(),
    "sum": pa.int64(),
    "histogram": COUNTS,
    "sketch": SKETCH,
    "sum_by_currency": MINOR_BY_CURRENCY,
    "answers": ANSWERS,
}


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


TOUCHPOINTS: Final = pa.schema(
    [
        _required("log_id", TEXT),
        _required("partition", pa.uint32()),
        _required("log_offset", pa.uint64()),
        _required("record_at", INSTANT),
        _required("lane_clock", INSTANT),
        _required("definitions", TEXT),
        _required("event_id", TEXT),
        _required("occurred_at", INSTANT),
        _required("customer_id", TEXT),
        _required("anonymous_id", TEXT),
        _required("journey", TEXT),
        _required("stage", TEXT),
        _required("channel", TEXT),
        _required("touchpoint", TEXT),
        _required("segment", TEXT),
        _required("declared", pa.bool_()),
        _required("late", pa.bool_()),
        _required("action", TEXT),
        _required("outcome", TEXT),
        *(pa.field(column_of(name), _NUMBERS[avro]) for name, avro in NUMBERS.items()),
        _required("currency", TEXT),
        _required("instrument", TEXT),
        _required("attributes", pa.map_(TEXT, TEXT)),
        pa.field("received_at", INSTANT),
        _required("source", TEXT),
        _required("sent_by", TEXT),
        pa.field("kafka_key", BYTES),
        _required("amends", TEXT),
        pa.field("replaced", pa.uint64()),
    ]
)

EVENT_IDENTITY: Final = ("event_id", "source", "channel", "customer_id", "anonymous_id", "kafka_key")
"""What tells one event from another."""
EVENT_CONTENT: Final = (
    "touchpoint", "segment", "action", "outcome", "currency", "instrument", "occurred_at", *NUMBER_COLUMNS,
)  # fmt: skip
"""What tells a copy of it from one that says something else (with the channel)."""
EVENT_IDS: Final = pa.schema(
    [TOUCHPOINTS.field(name) for name in ("log_offset", "lane_clock", *EVENT_IDENTITY, *EVENT_CONTENT)]
)
"""What counts as seen: where, when by the lane's clock, which event, and what it said."""

RAW_EVENTS: Final = pa.schema(
    [
        TOUCHPOINTS.field(name)
        for name in (
            "log_offset", "lane_clock", "occurred_at", "journey", "stage", "channel", "touchpoint", "segment",
            "late", "action", "outcome", *NUMBER_COLUMNS, "currency", "instrument", "replaced",
        )
    ]
)  # fmt: skip
"""What panes count of a raw event, where it stands, and which version of an answer it took the place of."""
VERSIONS: Final = pa.schema(
    [
        *(TOUCHPOINTS.field(name) for name in EVENT_IDENTITY if name not in RAW_EVENTS.names),
        TOUCHPOINTS.field("amends"),
        *RAW_EVENTS,
    ]
)
"""What is known of a version of an answer: what panes count of it, and which answer it is one of."""

AMENDMENTS: Final = pa.schema(
    [TOUCHPOINTS.field(name) for name in ("log_offset", "lane_clock", *EVENT_IDENTITY, "amends")]
)
"""That an answer is amended."""


def pane_schema(measures: Iterable[Measure]) -> pa.Schema:
    """The columns of panes that keep these measures."""
    return pa.schema(
        [
            _required("log_id", TEXT),
            _required("partition", pa.uint32()),
            _required("resolution_s", pa.uint32()),
            _required("pane_start", INSTANT),
            _required("journey", TEXT),
            _required("stage", TEXT),
            _required("channel", TEXT),
            _required("touchpoint", TEXT),
            _required("segment", TEXT),
            _required("log_offset", pa.uint64()),
            *(_required(one.name, _MEASURES[one.kind]) for one in measures),
        ]
    )


STAGE_PANES: Final = pane_schema(shipped().measures)

LANES: Final = pa.schema(
    [
        _required("topic", TEXT),
        _required("partition", pa.uint32()),
        _required("log_id", TEXT),
        _required("generation", pa.uint32()),
        _required("next_offset", pa.uint64()),
        _required("lane_clock", INSTANT),
        _required("occurred_max", INSTANT),
        _required("watermark", INSTANT),
        _required("definitions", TEXT),
        _required("predecessor_log_id", TEXT),
        _required("predecessor_next_offset", pa.uint64()),
        _required("ids_since", INSTANT),
        _required("ids_from", pa.int64()),
        _required("control_sequence", pa.uint64()),
        _required("control_keys", TEXT),
    ]
)

DEAD_LETTERS: Final = pa.schema(
    [
        _required("log_id", TEXT),
        _required("partition", pa.uint32()),
        _required("log_offset", pa.uint64()),
        _required("topic", TEXT),
        _required("record_at", INSTANT),
        _required("reason", TEXT),
        _required("detail", TEXT),
        pa.field("key", BYTES),
        pa.field("value", BYTES),
        _required("headers", pa.list_(pa.struct([_required("name", BYTES), _required("value", BYTES)]))),
    ]
)

ERASURES: Final = pa.schema(
    [
        _required("log_id", TEXT),
        _required("partition", pa.uint32()),
        _required("log_offset", pa.uint64()),
        _required("id_hash", TEXT),
        _required("erased_at", INSTANT),
    ]
)

CONTROL_RECORDS: Final = pa.schema(
    [
        _required("log_id", TEXT),
        _required("partition", pa.uint32()),
        _required("log_offset", pa.uint64()),
        _required("topic", TEXT),
        _required("record_at", INSTANT),
        _required("kind", TEXT),
        _required("sequence", pa.uint64()),
        _required("key_id", TEXT),
        _required("obeyed", pa.bool_()),
        _required("what", TEXT),
    ]
)

DEFINITIONS: Final = pa.schema(
    [_required("version", TEXT), _required("content", TEXT), _required("in_force_since", pa.timestamp("us", tz="UTC"))]
)


@dataclass(frozen=True)
class TableRows:
    """One table: what is sent to it, what the server adds, and which of several rows with one key is the truth."""

    schema: pa.Schema
    key: tuple[str, ...]
    version: str | None
    """The row with the highest value stands; None: all rows of a key are equal, and the last one stands."""
    filled_by_server: tuple[str, ...] = ()


PANE_KEY: Final = ("resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment")
"""What names a pane within its lane."""
_LOG_POSITION = ("log_id", "partition", "log_offset")

TABLES: Final[Mapping[str, TableRows]] = MappingProxyType(
    {
        "touchpoints": TableRows(TOUCHPOINTS, _LOG_POSITION, None, ("inserted_at",)),
        "stage_panes": TableRows(STAGE_PANES, (*PANE_KEY, "log_id", "partition"), "log_offset"),
        "dead_letters": TableRows(DEAD_LETTERS, _LOG_POSITION, None, ("inserted_at",)),
        "erasures": TableRows(ERASURES, (*_LOG_POSITION, "id_hash"), None),
        "control_records": TableRows(CONTROL_RECORDS, _LOG_POSITION, None, ("inserted_at",)),
        "definitions": TableRows(DEFINITIONS, ("version", "in_force_since"), None),
        "lanes": TableRows(LANES, ("topic", "partition", "log_id"), "next_offset", ("written_at",)),
    }
)
"""Every table that a flush writes, in the order in which a flush writes them (`sinks.sink.Flush`)."""


def conform(table: str, rows: pa.Table) -> pa.Table:
    """Columns of `rows` in the order and the types of `table`; columns that the table doesn't have are left out.

    Raises ValueError, naming table and column, when a column is missing, doesn't cast without loss, or holds a null
    where the table takes none (ClickHouse would turn that null into a zero without a word).
    """
    schema = TABLES[table].schema
    columns = []
    given = dict(zip(rows.column_names, rows.columns, strict=True))
    for field in schema:
        column = given.get(field.name)
        if column is None:
            raise ValueError(f"rows for {table} lack the column {field.name}")
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise ValueError(f"{table}.{field.name}: {column.type} doesn't become {field.type}: {error}") from error
        if not field.nullable and column.null_count:
            raise ValueError(f"{table}.{field.name} takes no nulls and got {column.null_count}")
    return pa.Table.from_arrays(columns, schema=schema)


def in_commit_order(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """A flush's tables, conformed, in the order in which they are written; raises ValueError as `conform` does."""
    unknown = tables.keys() - TABLES.keys()
    if unknown:
        raise ValueError(f"a flush has no tables {sorted(unknown)}; it has {list(TABLES)}")
    return {table: conform(table, tables[table]) for table in TABLES if table in tables}


def arrow_stream(rows: pa.Table) -> bytes:
    """`rows` as an Arrow IPC stream: ClickHouse's format ArrowStream."""
    body = pa.BufferOutputStream()
    with pa.ipc.new_stream(body, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(body.getvalue().to_pybytes())
