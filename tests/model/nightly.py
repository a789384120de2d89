"""Many more schedules than `make test` tries, in several processes, with progress.

    python -m tests.model.nightly --schedules 200000 --processes 2 --seed 0
    python -m tests.model.nightly --schedules 100 --control pane_rows_are_increments    # what going wrong looks like

A schedule is one seed. Exits with 1 once one goes wrong, with its seed, what is wrong and the command that repeats it;
with 2 for wrong use.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from multiprocessing.queues import Queue
from typing import Final

from pytest import MonkeyPatch

from tests.model.controls import CONTROLS
from tests.model.cores import cores, stay_on
from tests.model.scenarios import scenario_of
from tests.model.schedule import run
from tests.model.writing import writer_schemas
from touchstream.schemas.codec import WriterSchemas

AT_ONCE: Final = 50
"""Schedules of one task: a few seconds of work, so that progress is seen and a failure ends the run soon."""
PROGRESS_SECONDS: Final = 10.0
BY_NAME: Final = {control.__name__: control for controls in CONTROLS.values() for control in controls}


@dataclass(frozen=True)
class Tried:
    """Schedules that went right, CPU seconds that they took, and the first one that went wrong."""

    right: int
    cpu_seconds: float
    wrong_seed: int | None = None
    wrong: str = ""


def attempt(seeds: range) -> Tried:
    """Run these schedules, up to the first that goes wrong: by a row, by a table, or by any other error."""
    started = time.process_time()
    for right, seed in enumerate(seeds):
        try:
            found = "\n".join(run(scenario_of(seed), cached_writers()))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            return Tried(right, time.process_time() - started, seed, found)
    return Tried(len(seeds), time.process_time() - started)


@cache
def cached_writers() -> WriterSchemas:
    """Once in each process."""
    return writer_schemas()


def prepare(control: str | None, places: "Queue[int]") -> None:
    """What a process does first: keep to a core of its own, and break what the control breaks."""
    stay_on({places.get()})
    if control is not None:
        BY_NAME[control](MonkeyPatch())


def attempts(seeds: range, processes: int, control: str | None) -> Iterator[Tried]:
    """The outcomes of all tasks, as they come."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for core in islice(cycle(sorted(cores())), processes):
        places.put(core)
    tasks = iter([seeds[at : at + AT_ONCE] for at in range(0, len(seeds), AT_ONCE)])
    with ProcessPoolExecutor(processes, context, prepare, (control, places)) as pool:
        running: set[Future[Tried]] = {pool.submit(attempt, task) for task in islice(tasks, processes + 1)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(attempt, task) for task in islice(tasks, len(done))}
            yield from (one.result() for one in done)


def nightly(seeds: range, processes: int, control: str | None) -> int:
    """Run the schedules of these seeds; the exit code."""
    started = said = time.monotonic()
    right, cpu_seconds = 0, 0.0
    for tried in attempts(seeds, processes, control):
        right, cpu_seconds = right + tried.right, cpu_seconds + tried.cpu_seconds
        if tried.wrong_seed is not None:
            print(f"schedule {tried.wrong_seed} went wrong, {right:,} went right:\n{tried.wrong}", flush=True)
            again = f"--seed {tried.wrong_seed} --schedules 1" + (f" --control {control}" if control else "")
            print(f"again: {sys.executable} -m tests.model.nightly {again}", flush=True)
            return 1
        now = time.monotonic()
        if now - said >= PROGRESS_SECONDS or right == len(seeds):
            said, rate = now, right / (now - started)
            print(f"{right:,} of {len(seeds):,} schedules, {rate:.1f} a second, {right / cpu_seconds:.1f} a CPU second")
    print(f"all of {right:,} schedules went right, seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--schedules", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=len(cores()))
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; the others follow")
    parser.add_argument("--control", choices=sorted(BY_NAME), help="break the lane on purpose")
    chosen = parser.parse_args(arguments)
    if chosen.schedules < 1 or chosen.processes < 1:
        parser.error("give at least one schedule and one process")
    return nightly(range(chosen.seed, chosen.seed + chosen.schedules), chosen.processes, chosen.control)


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # frames are small, and the processes have the cores
    sys.exit(main())
