from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.codec import from_fields
from touchstream.schemas.touchpoint import Reason, Touchpoint
from touchstream.schemas.validity import check
from touchstream.streams.channels.formats.amounts import ValueRefused
from touchstream.streams.channels.formats.conversion import RowConverter
from touchstream.streams.channels.formats.mapping import FieldMapping, MappingError, load_mapping

RETAIL = """\
columns:
  customer_id: Customer ID
  occurred_at: InvoiceDate
  revenue_minor: Price
  outcome: Paid
  attributes.country: Country
constants:
  channel: web
  touchpoint: checkout
  nps: 9
values:
  outcome:
    1: success
    0: failure
    maybe: null
prefixes:
  customer_id: crm-
factors:
  revenue_minor: 100
time:
  format: "%d/%m/%Y %H:%M"
  zone: Europe/London
"""


def mapping(tmp_path: Path, text: str) -> FieldMapping:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(MappingError) as caught:
        mapping(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


def converted(mapped: FieldMapping, row: dict[str, Any]) -> dict[str, Any]:
    return RowConverter(tuple(row), mapped).fields(row)


def test_a_foreign_row_becomes_an_event(tmp_path: Path) -> None:
    row = {"Customer ID": "13085", "InvoiceDate": "01/07/2010 07:45", "Price": "19.99", "Paid": "1", "Country": "UK"}
    assert converted(mapping(tmp_path, RETAIL), row | {"Left out": "x"}) == {
        "customer_id": "crm-13085",
        "occurred_at": int(datetime(2010, 7, 1, 6, 45, tzinfo=UTC).timestamp() * 1000),
        "revenue_minor": 1999,
        "outcome": "success",
        "channel": "web",
        "touchpoint": "checkout",
        "nps": 9,
        "attributes": {"country": "UK"},
    }


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_an_empty_cell_is_null(nothing: Any, tmp_path: Path) -> None:
    row = dict.fromkeys(["Customer ID", "InvoiceDate", "Price", "Paid", "Country"], nothing)
    assert converted(mapping(tmp_path, RETAIL), row) == {"channel": "web", "touchpoint": "checkout", "nps": 9}


def test_a_value_map_may_say_null_and_leaves_other_values_alone(tmp_path: Path) -> None:
    mapped = mapping(tmp_path, RETAIL)
    assert "outcome" not in converted(mapped, {"Paid": "maybe"})
    assert converted(mapped, {"Paid": "refunded"})["outcome"] == "refunded"


@pytest.mark.parametrize(("value", "spelled"), [(1, "1"), (1.0, "1"), (True, "true"), (Decimal("1"), "1"), ("1", "1")])
def test_value_maps_find_numbers_and_truths_by_their_spelling(value: Any, spelled: str) -> None:
    mapped = FieldMapping.model_validate({"columns": {"outcome": "o"}, "values": {"outcome": {spelled: "success"}}})
    assert converted(mapped, {"o": value}) == {"outcome": "success"}


@pytest.mark.parametrize(
    ("price", "minor"),
    [
        ("19.99", 1999),
        ("-19.99", -1999),
        (19.99, 1999),  # a float is not 19.99, and means it
        (0.1 + 0.2, 30),
        ("0.29", 29),  # int(0.29 * 100) would be 28
        (Decimal("0.29"), 29),
        ("1e2", 10000),
        (7, 700),
        ("90071992547409.93", 9007199254740993),  # beyond 2**53, where floats lose cents
    ],
)
def test_a_factor_is_exact(price: Any, minor: int, tmp_path: Path) -> None:
    assert converted(mapping(tmp_path, RETAIL), {"Price": price})["revenue_minor"] == minor


@pytest.mark.parametrize(
    "price", ["19.9951", "19,999.0.0", "abc", "1e999999999", "1e999", "NaN", float("inf"), True, "١٢"]
)
def test_a_number_that_is_none_or_not_whole_is_refused_by_the_schema(price: Any, tmp_path: Path) -> None:
    fields = converted(mapping(tmp_path, RETAIL), {"Price": price, "InvoiceDate": "01/01/2010 00:00"})
    refusal = from_fields({**fields, "event_id": "1"})
    assert not isinstance(refusal, Touchpoint)
    assert refusal.reason in {Reason.WRONG_TYPE, Reason.OUT_OF_SCALE}
    assert "revenue_minor" in refusal.detail


@pytest.mark.parametrize("field", ["nps", "duration_ms", "revenue_minor", "sentiment"])
def test_a_number_that_is_none_harms_no_other_and_is_null_or_refused(field: str) -> None:
    mapped = FieldMapping.model_validate({"columns": {field: "v"}})
    for nothing in (Decimal("NaN"), float("nan")):
        assert converted(mapped, {"v": nothing}) == {}
    for value in (Decimal("Infinity"), float("-inf"), "\ud800", "9" * 5_000, 10**400, True):
        fields = {"event_id": "e", "occurred_at": 2 * 10**12, "channel": "c", "touchpoint": "t", "customer_id": "k"}
        refusal = from_fields(fields | converted(mapped, {"v": value}))
        event = refusal if isinstance(refusal, Touchpoint) else None
        assert event is None or check(event, 2 * 10**12) is not None, value


def test_a_refusal_of_a_long_text_is_short() -> None:
    mapped = FieldMapping.model_validate({"columns": {"occurred_at": "v"}})
    with pytest.raises(ValueRefused) as caught:
        converted(mapped, {"v": "x" * 100_000})
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize(("text", "number"), [("1e-300", 1e-300), ("-0.25", -0.25), ("1e999", "1e999"), ("1", 1.0)])
def test_a_sentiment_is_a_number_or_refused(text: str, number: Any) -> None:
    mapped = FieldMapping.model_validate({"columns": {"sentiment": "s"}})
    assert converted(mapped, {"s": text}) == {"sentiment": number}


def test_a_decimal_comma_is_read_where_it_is_declared() -> None:
    declared = {"columns": {"revenue_minor": "p"}, "factors": {"revenue_minor": 100}, "decimal": ","}
    assert converted(FieldMapping.model_validate(declared), {"p": "19,99"}) == {"revenue_minor": 1999}


@pytest.mark.parametrize(
    ("style", "zone", "value", "moment"),
    [
        ("iso", "UTC", "2009-12-01T07:45:00Z", "2009-12-01T07:45:00+00:00"),
        ("iso", "Europe/Berlin", "2009-12-01 07:45", "2009-12-01T07:45:00+01:00"),
        ("iso", "Europe/Berlin", "2009-12-01T07:45:00-05:00", "2009-12-01T07:45:00-05:00"),
        ("iso", "Europe/Berlin", "2009-10-25T02:30:00", "2009-10-25T02:30:00+02:00"),  # occurs twice: the first
        ("iso", "UTC", "1259653500000", "2009-12-01T07:45:00+00:00"),
        ("epoch_s", "UTC", 1259653500, "2009-12-01T07:45:00+00:00"),
        ("epoch_s", "UTC", "1259653500.5009", "2009-12-01T07:45:00.500+00:00"),
        ("epoch_ms", "UTC", 1259653500000, "2009-12-01T07:45:00+00:00"),
        ("%Y%m%d", "Asia/Tokyo", 20091201, "2009-12-01T00:00:00+09:00"),
        ("%d/%m/%y %H:%M %z", "UTC", "01/12/09 07:45 +0100", "2009-12-01T07:45:00+01:00"),
        ("iso", "Europe/Berlin", datetime(2009, 12, 1, 7, 45), "2009-12-01T07:45:00+01:00"),  # noqa: DTZ001
        ("iso", "UTC", datetime(2009, 12, 1, 7, 45, tzinfo=ZoneInfo("Asia/Tokyo")), "2009-12-01T07:45:00+09:00"),
        ("iso", "Europe/Berlin", date(2009, 12, 1), "2009-12-01T00:00:00+01:00"),
    ],
)
def test_times_are_read_as_the_mapping_says(style: str, zone: str, value: Any, moment: str) -> None:
    declared = {"columns": {"occurred_at": "t"}, "time": {"format": style, "zone": zone}}
    expected = round(datetime.fromisoformat(moment).timestamp() * 1000)
    assert converted(FieldMapping.model_validate(declared), {"t": value}) == {"occurred_at": expected}


def test_a_time_of_another_format_is_refused_with_the_format(tmp_path: Path) -> None:
    with pytest.raises(ValueRefused) as caught:
        converted(mapping(tmp_path, RETAIL), {"InvoiceDate": "2010-07-01"})
    assert caught.value.reason == Reason.WRONG_TYPE
    assert "'2010-07-01'" in caught.value.detail
    assert "%d/%m/%Y" in caught.value.detail


def test_a_column_may_lie_within_objects() -> None:
    mapped = FieldMapping.model_validate({"columns": {"customer_id": "user.id", "segment": "a.b"}})
    row: dict[str, Any] = {"user": {"id": 5}, "a.b": "named so"}
    assert RowConverter((), mapped).fields(row) == {"customer_id": "5", "segment": "named so"}
    assert RowConverter((), mapped).fields({"user": "no object"}) == {}


@pytest.mark.parametrize(
    ("value", "text"), [(17850.0, "17850"), (17850, "17850"), (1.5, "1.5"), (True, "true"), (b"x", "x")]
)
def test_an_id_that_came_as_a_number_is_its_text(value: Any, text: str) -> None:
    mapped = FieldMapping.model_validate({"columns": {"customer_id": "c"}})
    assert converted(mapped, {"c": value}) == {"customer_id": text}


@settings(deadline=None)
@given(euros=st.decimals(-(10**9), 10**9, places=2))
def test_euros_survive_the_way_to_cents(euros: Decimal) -> None:
    mapped = FieldMapping.model_validate({"columns": {"revenue_minor": "p"}, "factors": {"revenue_minor": 100}})
    for spelled in (str(euros), euros, float(euros)):
        assert converted(mapped, {"p": spelled}) == {"revenue_minor": int(euros * 100)}


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["customer_id", "channel", "attributes.a", "attributes.b"]), st.text(min_size=1))
)
def test_renamed_columns_give_the_same_event(row: dict[str, str]) -> None:
    renamed = {f"their {name}": value for name, value in row.items()}
    mapped = FieldMapping.model_validate({"columns": {name: f"their {name}" for name in row} or {"nps": "x"}})
    assert converted(mapped, renamed) == RowConverter(tuple(row), None).fields(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "columns:\n  customer_id: a\n  custmer_id: b\n",
            "mapping.yaml:3: columns.custmer_id: no such field; did you mean",
        ),
        ("columns:\n  customer_id: a\ncolums:\n  x: y\n", "mapping.yaml:3: colums: no such key; did you mean columns?"),
        ("columns:\n  customer_id: a\ntime:\n  zone: Europe/Berln\n", "mapping.yaml:4: time.zone: no such time zone"),
        ("columns:\n  customer_id: a\ntime:\n  format: '%Q'\n", "mapping.yaml:4: time.format: 'Q' is a bad directive"),
        ("columns:\n  customer_id: a\ntime:\n  format: epoch\n", "mapping.yaml:4: time.format: must be iso, epoch_ms"),
        ("columns:\n  attributes: a\n", "mapping.yaml:2: columns.attributes: no such field"),
        ("columns:\n  nps: n\nfactors:\n  nps: -1\n", "mapping.yaml:4: factors.nps: "),
        ("columns:\n  nps: n\nfactors:\n  ces: 2\n", "mapping.yaml:1: factors: ces has no column"),
        ("columns:\n  channel: c\nfactors:\n  channel: 2\n", "mapping.yaml:1: factors: channel is no number"),
        ("columns:\n  nps: n\nprefixes:\n  nps: x\n", "mapping.yaml:1: prefixes: nps is no text"),
        ("columns:\n  nps: n\nconstants:\n  nps: 1\n", "mapping.yaml:1: nps is given by a column and by a constant"),
        ("columns:\n  nps: [n]\n", "mapping.yaml:2: columns.nps: "),
        ("columns:\n  nps: a\n  nps: b\n", "mapping.yaml:3: found duplicate key"),
        ("columns: {nps: a\n", "mapping.yaml:2: "),
        ("", "mapping.yaml:1: must be a mapping"),
        ("- a\n", "mapping.yaml:1: must be a mapping"),
        ("a: \x00\n", "mapping.yaml:1: "),
    ],
)
def test_a_mapping_that_cannot_be_used_is_named_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text)[0].startswith(expected)


def test_all_that_is_wrong_with_a_mapping_is_said_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "columns:\n  a: b\n  c: d\nzones: 1\n")) == 3


def test_a_missing_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"nowhere\.yaml: can't be read"):
        load_mapping(tmp_path / "nowhere.yaml")


def test_a_decimal_factor_is_taken_as_written(tmp_path: Path) -> None:
    mapped = mapping(tmp_path, "columns:\n  nps: n\nfactors:\n  nps: 0.1\n")
    assert json.dumps(converted(mapped, {"n": "90"})) == '{"nps": 9}'


def test_the_source_of_a_mapping_is_that_of_its_events_unless_a_column_says_another() -> None:
    mapped = FieldMapping.model_validate({"columns": {"event_id": "no"}, "source": "shop-berlin"})
    assert converted(mapped, {"no": "1"}) == {"event_id": "1", "source": "shop-berlin"}
    mapped = FieldMapping.model_validate({"columns": {"event_id": "no", "source": "shop"}, "source": "shop-berlin"})
    assert converted(mapped, {"no": "1", "shop": "rome"}) == {"event_id": "1", "source": "rome"}
