"""What commands print for people."""

import pytest

from touchstream.streams.cli.output import TABLE_ROWS_MAX, print_table


def test_a_table_is_bounded_and_says_how_many_rows_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"stage": f"stage-{number:05}"} for number in range(TABLE_ROWS_MAX + 2)], ["stage"])
    printed = capsys.readouterr()
    assert f"stage-{TABLE_ROWS_MAX - 1:05}" in printed.out
    assert f"stage-{TABLE_ROWS_MAX:05}" not in printed.out
    assert "2 more rows are left out" in printed.err


def test_a_table_of_few_rows_leaves_none_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"stage": "use"}], ["stage"])
    printed = capsys.readouterr()
    assert "use" in printed.out
    assert printed.err == ""
