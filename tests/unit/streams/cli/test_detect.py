"""The command `detect`, as a person runs it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.bench.noise import NOISE
from touchstream.streams.cli.main import app


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["detect", *arguments], input=text)


@pytest.fixture(scope="module")
def spiked() -> str:
    values = NOISE["white, normal"](np.random.default_rng(8), 400)
    values[300] = 50
    return "timestamp,value\n" + "".join(f"{1_700_000_000 + 300 * at},{value}\n" for at, value in enumerate(values))


def test_a_table_has_the_line_of_a_spike_its_band_and_how_many_were_told(spiked: str, tmp_path: Path) -> None:
    file = tmp_path / "latency.csv"
    file.write_text(spiked)

    result = run(str(file))

    assert result.exit_code == 0
    assert "302 │ 1700090000 │ 50" in result.stdout
    assert "1 of 400 values are told" in result.stdout


def test_a_table_of_all_values_ends_after_1000_rows_and_says_how_many_are_left_out(spiked: str) -> None:
    result = run("-", "--all", text=spiked + spiked.partition("\n")[2] * 2)

    assert "200 more rows are left out" in result.stderr
    assert " 1,001 │" in result.stdout
    assert " 1,002 │" not in result.stdout


def test_json_has_an_object_for_each_value_from_standard_input(spiked: str) -> None:
    result = run("-", "--json", text=spiked)

    found = [json.loads(line) for line in result.stdout.splitlines()]
    told = [row for row in found if row["told"]]
    assert len(found) == 400
    assert [(row["line"], row["time"], row["series"], row["value"]) for row in told] == [
        (302, "1700090000", "value", 50.0)
    ]
    assert 0.5 <= told[0]["score"] < 1
    assert told[0]["low"] < told[0]["expected"] < told[0]["high"] < 50
    assert found[0] == {
        "line": 2,
        "time": "1700000000",
        "series": "value",
        "value": found[0]["value"],
        "score": 0.0,
        "told": False,
        "why": "learning",
        "expected": None,
        "low": None,
        "high": None,
    }


def test_a_compressed_file_is_read_and_columns_can_be_named(spiked: str, tmp_path: Path) -> None:
    file = tmp_path / "latency.csv.gz"
    file.write_bytes(gzip.compress(spiked.replace("timestamp,value", "when,p95").encode()))

    result = run(str(file), "--time", "when", "--value", "p95", "--json")

    assert sum(json.loads(line)["told"] for line in result.stdout.splitlines()) == 1


def test_a_bad_line_is_named_left_out_and_the_exit_code_1(spiked: str) -> None:
    broken = spiked.splitlines()
    broken[10] = "1700002700,oops"

    result = run("-", text="\n".join(broken))

    assert result.exit_code == 1
    assert "line 11: 'oops' is no number; it is left out" in result.stderr
    assert "1 of 399 values are told" in result.stdout


def test_times_that_go_back_are_said_and_judged_in_the_order_of_lines(spiked: str) -> None:
    head, *lines = spiked.splitlines()

    result = run("-", text="\n".join([head, *lines[::-1]]))

    assert result.exit_code == 0
    assert "399 times are before the one above them" in result.stderr
    assert "of 400 values are told" in result.stdout


@pytest.mark.parametrize("text", ["", "time,value\n", "time,value\n1,2\n", "time,value\n1,\n"])
def test_a_file_with_next_to_nothing_tells_nothing_and_says_why(text: str) -> None:
    result = run("-", text=text)

    assert result.exit_code == 0
    assert "values are told" in result.stdout
    assert "the first 200 values of a series are learnt from" in result.stderr


def test_a_file_that_is_not_there_or_has_no_value_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    missing, unclear = run(str(tmp_path / "none.csv")), run("-", text="time,a,b\n1,2,3\n")

    assert (missing.exit_code, unclear.exit_code) == (2, 2)
    assert "can't be opened" in missing.stderr
    assert "Say --value NAME; there are time, a, b" in unclear.stderr.replace("\n", " ")
