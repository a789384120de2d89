"""The event's three declarations (Avro, struct, columns) say the same, and a refusal stays small."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from touchstream import schemas
from touchstream.schemas.codec import FINGERPRINT, SCHEMA_TEXT, fingerprint
from touchstream.schemas.columns import COLUMNS
from touchstream.schemas.touchpoint import (
    DETAIL_CHARS_MAX,
    SCALES,
    TIME_MS_MAX,
    TIME_MS_MIN,
    Reason,
    Refusal,
    Touchpoint,
    shown,
)

FIELDS = json.loads(SCHEMA_TEXT)["fields"]
HISTORY = Path(schemas.__file__).parent / "history"
COLUMN_OF = {"string": pl.String, "long": pl.Int64, "int": pl.Int32, "double": pl.Float64}


def avro_type(field: dict[str, Any]) -> str:
    options = field["type"] if isinstance(field["type"], list) else [field["type"]]
    last = options[-1]
    return str(last["type"] if isinstance(last, dict) else last)


def test_the_struct_has_the_fields_of_the_avro_schema_in_their_order() -> None:
    assert [field["name"] for field in FIELDS] == list(Touchpoint.__struct_fields__)


def test_the_struct_has_the_defaults_of_the_avro_schema() -> None:
    event = Touchpoint(event_id="e", occurred_at=0, channel="c", touchpoint="t")
    for field in FIELDS:
        if "default" in field:
            assert getattr(event, field["name"]) == field["default"], field["name"]


def test_a_decoded_frame_has_the_fields_of_the_avro_schema_with_their_types() -> None:
    columns = dict(COLUMNS)
    assert columns.pop("position") == pl.UInt32
    assert columns.pop("attributes") == pl.Map(pl.String, pl.String)
    expected = {field["name"]: COLUMN_OF[avro_type(field)] for field in FIELDS if field["name"] != "attributes"}
    assert columns == expected


def test_the_schema_in_force_is_kept_in_the_history_so_that_its_events_stay_readable() -> None:
    kept = {fingerprint(path.read_text()) for path in HISTORY.glob("*.avsc")}
    assert FINGERPRINT in kept, "copy touchpoint.avsc to schemas/history under its next number"


def test_no_scale_is_wider_than_its_column() -> None:
    for field, (low, high) in SCALES.items():
        if COLUMNS[field].is_integer():
            pl.Series([low, high], dtype=COLUMNS[field], strict=True)


def test_times_are_bounded_by_the_years_that_clickhouse_holds() -> None:
    bounds = pl.Series([TIME_MS_MIN, TIME_MS_MAX + 1]).cast(pl.Datetime("ms")).dt.to_string().to_list()
    assert [bound[:19].replace("T", " ") for bound in bounds] == ["1900-01-01 00:00:00", "2300-01-01 00:00:00"]


def test_the_key_is_the_customer_and_else_the_anonymous_id() -> None:
    event: dict[str, Any] = {"event_id": "e", "occurred_at": 0, "channel": "c", "touchpoint": "t"}
    assert Touchpoint(**event, customer_id="é", anonymous_id="a").key == "é".encode()
    assert Touchpoint(**event, customer_id="", anonymous_id="a").key == b"a"
    assert Touchpoint(**event).key == b""


def test_a_refusal_shows_a_megabyte_in_a_line() -> None:
    detail = Refusal(0, Reason.WRONG_TYPE, "x" * 2**20).detail
    assert len(detail) == DETAIL_CHARS_MAX
    assert detail.endswith("…")
    assert len(shown("x\n" * 2**20)) <= 100
    assert len(shown(b"\x00" * 2**20)) <= 100
    assert shown("a\nb") == r"'a\nb'"
