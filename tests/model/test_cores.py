"""A process keeps to one core with all its threads, and may use the others again afterwards."""

import os
from pathlib import Path

import polars as pl
import pytest

from tests.model.cores import CAN_STAY, cores, on_one_core


@pytest.mark.skipif(not CAN_STAY, reason="this system doesn't let a process choose its cores")
@pytest.mark.parametrize("number", [0, 1, 7])
def test_all_threads_stay_on_one_core_meanwhile(number: int) -> None:
    pl.Series([1, 2]).sort()  # polars has its threads by now
    before = cores()
    mine = frozenset({sorted(before)[number % len(before)]})
    with on_one_core(number):
        assert {frozenset(os.sched_getaffinity(int(task.name))) for task in tasks()} == {mine}
    assert all(os.sched_getaffinity(int(task.name)) == before for task in tasks())


def tasks() -> list[Path]:
    return list(Path("/proc/self/task").iterdir())
