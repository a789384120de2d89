"""The nightly run goes through its schedules, and says which one went wrong and how to see it again."""

import re
import shlex

import pytest

from tests.model.nightly import main

CONTROL = "ids_are_remembered_for_ever"


def test_all_schedules_are_run_in_all_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "6", "--processes", "2", "--seed", "100"]) == 0
    assert "all of 6 schedules went right, seeds 100 to 105" in capsys.readouterr().out


def test_the_first_schedule_that_goes_wrong_ends_it_with_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--schedules", "400", "--processes", "1", "--seed", "1", "--control", CONTROL]) == 1
    said = capsys.readouterr().out
    repeated = shlex.split(said.splitlines()[-1])
    assert repeated[2:4] == ["-m", main.__module__]
    assert main(repeated[4:]) == 1
    seeds = re.findall(r"schedule (\d+) went wrong", said + capsys.readouterr().out)
    assert len(seeds) == 2
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize("wrong", [["--schedules", "0"], ["--processes", "0"], ["--control", "none such"]])
def test_wrong_use_is_told_apart(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert "error: " in capsys.readouterr().err
