"""The cores that a process may use, and staying on one of them.

A frame of few rows costs polars some microseconds on its pool's thread and, on a virtual machine, a tenth of a
millisecond until a sleeping core has woken for it. On one core the thread is there at once: schedules take two thirds.
"""

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

CAN_STAY = hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()


def cores() -> Set[int]:
    """Those that this process may use."""
    return os.sched_getaffinity(0) if CAN_STAY else set(range(os.cpu_count() or 1))


def stay_on(allowed: Set[int]) -> None:
    """All threads of this process run on these cores from now on, where the system lets it say so."""
    if CAN_STAY:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended since
                os.sched_setaffinity(int(thread.name), allowed)


@contextmanager
def on_one_core(number: int = 0) -> Iterator[None]:
    """This process stays on one core meanwhile; processes of different numbers on different ones, while there are."""
    before = sorted(cores())
    stay_on({before[number % len(before)]})
    try:
        yield
    finally:
        stay_on({*before})
