"""A peer's side of its agreement with the benchmark."""

import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.usage import rss_peak_bytes

SCHEMA_FILE: Final = Path(__file__).parents[3] / "schemas" / "touchpoint.avsc"
"""Of the events, for peers whose environment lacks what `schemas` imports."""


class Job(msgspec.Struct, frozen=True):
    """What to read and where to write. kafka: host:port; clickhouse_url: http://user@host:port/database.

    name: for a consumer group that has committed nothing yet; directory: empty, for what it has to keep meanwhile.
    """

    name: str
    kafka: str
    topic: str
    partitions: int
    events: int
    clickhouse_url: str
    directory: str


class Report(msgspec.Struct, frozen=True):
    """What was done. Times are seconds since 1970; CPU seconds are those between them.

    passes: how often the whole job was done, of which all but the last only warmed the program up.
    """

    events: int
    started_at: float
    ended_at: float
    cpu_seconds: float
    rss_peak_bytes: int
    passes: int = 1


class Stopwatch:
    """From the first event, or the moment in which it could be read, to the last acknowledged row."""

    def __init__(self) -> None:
        self._started_at = time.time()
        self._cpu_seconds = time.process_time()

    def report(self, events: int) -> None:
        """Stop, and print the report."""
        cpu_seconds = time.process_time() - self._cpu_seconds
        report = Report(events, self._started_at, time.time(), cpu_seconds, rss_peak_bytes(os.getpid()))
        print(f"\n{msgspec.json.encode(report).decode()}", flush=True)  # Faust has left a line without an end


def job() -> Job:
    """The job that this process was started for."""
    return msgspec.json.decode(sys.argv[-1], type=Job)
