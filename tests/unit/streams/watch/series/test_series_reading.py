"""Lines of CSV and JSON as rows of a series."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstream.streams.watch.series.reading import BadLine, SeriesProblem, SeriesReader, SeriesRow


def rows(text: str, time: str | None = None, values: tuple[str, ...] = ()) -> list[SeriesRow | BadLine]:
    return list(SeriesReader("x.csv", time, values).rows([text.encode().split(b"\n")]))


def reasons(text: str) -> dict[int, str]:
    return {row.line: row.reason for row in rows(text) if isinstance(row, BadLine)}


def test_a_line_of_csv_has_its_time_as_written_and_in_seconds() -> None:
    assert rows("timestamp,value\n2014-04-01 00:05:00,20.5\n") == [
        SeriesRow(2, "2014-04-01 00:05:00", 1_396_310_700.0, (20.5,))
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1396310700", 1_396_310_700.0),
        ("1396310700500", 1_396_310_700.5),
        ("2014-04-01T02:05:00+02:00", 1_396_310_700.0),
        ("2014-04-01", 1_396_310_400.0),
    ],
)
def test_times_are_iso_8601_seconds_or_milliseconds(written: str, seconds: float) -> None:
    assert rows(f"time,x\n{written},1") == [SeriesRow(2, written, seconds, (1.0,))]


def test_columns_are_chosen_by_name_and_in_the_order_asked() -> None:
    text = "a;when;b;c\n1;60;2;3"

    assert rows(text, "when", ("c", "a")) == [SeriesRow(2, "60", 60.0, (3.0, 1.0))]


def test_objects_of_json_are_rows_and_a_field_that_is_missing_is_a_gap() -> None:
    assert rows('{"ts": 60, "value": 1}\n\n{"value": null, "ts": 120}\n{"ts": 180}') == [
        SeriesRow(1, "60", 60.0, (1.0,)),
        SeriesRow(3, "120", 120.0, (None,)),
        SeriesRow(4, "180", 180.0, (None,)),
    ]


def test_a_cell_without_a_measurement_is_a_gap() -> None:
    cells = ["", "NaN", "inf", "-Infinity"]

    found = rows("time,value\n" + "\n".join(f"1,{cell}" for cell in cells))

    assert [row.values for row in found if isinstance(row, SeriesRow)] == [(None,)] * 4


def test_a_bad_line_is_named_by_its_number_and_the_others_are_read() -> None:
    text = "time,value\n1,2\n\nx,2\n3,abc\n4\n5,1_0\n6,1e61\nnan,1\n9,4\n10,'1"

    assert reasons(text) == {
        4: "'x' is no time: write ISO 8601, or seconds since 1970",
        5: "'abc' is no number",
        6: "has 1 columns, the first line 2",
        7: "1_0 is no number",
        8: "1e61 is beyond 1e+60",
        9: "nan is no time: write ISO 8601, or seconds since 1970",
        11: '"\'1" is no number',
    }
    assert [row.line for row in rows(text) if isinstance(row, SeriesRow)] == [2, 10]


def test_a_bad_line_of_json_is_named_too() -> None:
    text = '{"time": 1, "value": 2}\n{"value": 2}\n[]\n{"time": 1, "value": true}\n{"time": true, "value": 1}\n{'

    assert list(reasons(text)) == [2, 3, 4, 5, 6]
    assert reasons(text)[2] == "has no time"
    assert reasons(text)[4] == "True is no number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when,value\n1,2", "x.csv: which column is the time? Say --time NAME; there are when, value"),
        ("time,a,b\n1,2,3", "x.csv: which column is the value? Say --value NAME; there are time, a, b"),
        ("1,2\n3,4", "x.csv: which column is the time? Say --time NAME; there are 1, 2"),
    ],
)
def test_columns_that_are_not_clear_are_asked_for(text: str, message: str) -> None:
    with pytest.raises(SeriesProblem) as caught:
        rows(text)

    assert str(caught.value) == message


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SeriesProblem, match="there is no column p99; there are time, p95"):
        rows("time,p95\n1,2", None, ("p99",))


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_become_rows_bad_lines_or_a_problem(lines: list[bytes]) -> None:
    try:
        found = list(SeriesReader("x").rows([[b"time,value", *lines]]))
        list(SeriesReader("x").rows([[b'{"time": 1, "value": 2}', *lines]]))
        list(SeriesReader("x").rows([lines]))
    except SeriesProblem:
        return
    assert all(isinstance(row, SeriesRow | BadLine) for row in found)
