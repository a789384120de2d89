"""The numbers of a page as CSV."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from touchstream.sinks.page.rows import csv_of

CELLS = st.none() | st.integers() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), min_size=1, max_size=5))
def test_any_cell_is_read_back(rows: list[dict[str, object]]) -> None:
    read = list(csv.DictReader(io.StringIO(csv_of(rows), newline="")))
    for row, found in zip(rows, read, strict=True):
        for name, value in row.items():
            said = "" if value is None else str(value)
            assert found[name].removeprefix("'" if isinstance(value, str) else "") in (said, said.removeprefix("'"))


def test_a_name_that_a_spreadsheet_would_compute_is_text() -> None:
    assert csv_of([{"stage": '=HYPERLINK("x")', "n": -3}]) == 'stage,n\r\n"\'=HYPERLINK(""x"")",-3\r\n'


def test_rows_need_not_have_the_same_names() -> None:
    assert csv_of([{"a": 1}, {"b": [1, "x"]}]) == 'a,b\r\n1,\r\n,"[1, ""x""]"\r\n'
