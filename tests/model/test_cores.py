"""A process keeps to one core with all its threads, and may use the others again afterwards."""

import os
from pathlib import Path

import polars as pl
import pytest

from tests.model.cores import CAN_STAY, cores, on_one_core


@pytest.mark.skipif(not CAN_STAY, reason="this system doesn't let a process choose its cores")
def test_all_threads_stay_on_one_core_meanwhile() -> None:
    pl.Series([1, 2]).sort()  # polars has its threads by now
    before = cores()
    with on_one_core():
        assert {frozenset(os.sched_getaffinity(int(task.name))) for task in tasks()} == {frozenset({min(before)})}
    assert all(os.sched_getaffinity(int(task.name)) == before for task in tasks())


def tasks() -> list[Path]:
    return list(Path("/proc/self/task").iterdir())
