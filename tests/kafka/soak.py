"""A soak: a steady load for minutes, and a SIGKILL every few seconds of a worker, now and then of ClickHouse.

    TEST_KAFKA=apache python -m tests.kafka.soak --minutes 20 --rate 4500 --kill-every 20

Prints the account, how often what was killed, and each role's resident memory by quarter of the time. Exits with 1
unless nothing was lost or doubled, and the memory of the last quarter is within a tenth of the second's. Lanes remember
the ids of a minute and a half (DUPLICATE_IDS_MAX): by default it takes them a day until they forget as many as come.
"""

import argparse
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from tests.kafka.account import Account
from tests.kafka.books import account_of, log_ends
from tests.kafka.failures import measured
from tests.kafka.load import BulkLoad, Load
from tests.kafka.stand import Layout, Stand, running_stand

QUARTERS: Final = 4
MEMORY_GROWTH_MAX: Final = 0.1
_SAMPLE_SECONDS: Final = 1.0
_CLICKHOUSE_EVERY: Final = 5
_WORKER_WARM_SECONDS: Final = 10.0
"""A worker that was just started has yet to load its lanes; in what it holds then is nothing to be learnt."""


_LAYOUT: Final = Layout(duplicate_ids_max=100_000)


@dataclass(frozen=True)
class Sample:
    """The resident memory of a process of a role, so many seconds after the beginning."""

    second: float
    role: str
    rss_bytes: int


def by_quarter(samples: Sequence[Sample], seconds: float) -> dict[str, list[float | None]]:
    """Each role's median resident memory of one process, MB, by quarter of the time; None without a sample."""
    quarters: dict[str, list[list[int]]] = {}
    for sample in samples:
        quarter = min(QUARTERS - 1, int(sample.second * QUARTERS / seconds))
        quarters.setdefault(sample.role, [[] for _ in range(QUARTERS)])[quarter].append(sample.rss_bytes)
    return {
        role: [statistics.median(found) / 1e6 if found else None for found in of_role]
        for role, of_role in quarters.items()
    }


def grew(memory: Mapping[str, Sequence[float | None]]) -> list[str]:
    """The roles whose last quarter is more than a tenth above their second, or of which that isn't known."""
    found = []
    for role, (_, second, _, last) in memory.items():
        if second is None or last is None or last > second * (1 + MEMORY_GROWTH_MAX):
            found.append(role)
    return found


class Killer:
    """Kills by a clock, and samples the memory of everything meanwhile."""

    def __init__(self, stand: Stand, seed: int, every_seconds: float) -> None:
        self._stand, self._random, self._every_seconds = stand, Random(seed), every_seconds
        self._first_seen: dict[int, float] = {}
        self.kills: Counter[str] = Counter()
        self.samples: list[Sample] = []

    def run(self, seconds: float, load: Load) -> None:
        """For so long. Raises what kept the load from publishing."""
        started, rounds = time.monotonic(), 0
        while (elapsed := time.monotonic() - started) < seconds:
            load.reaches(100)
            if elapsed >= (rounds + 1) * self._every_seconds:
                rounds += 1
                self._kill("ClickHouse" if rounds % _CLICKHOUSE_EVERY == 0 else "worker")
            self._sample(elapsed)
            time.sleep(_SAMPLE_SECONDS)

    def _kill(self, role: str) -> None:
        there = [pid for pid in self._pids()[role] if pid is not None]
        if there:
            os.kill(self._random.choice(there), signal.SIGKILL)
            self.kills[role] += 1

    def _sample(self, elapsed: float) -> None:
        for role, pids in self._pids().items():
            for pid in pids:
                if pid is None:
                    continue
                seen = self._first_seen.setdefault(pid, elapsed)
                if role == "worker" and elapsed - seen < _WORKER_WARM_SECONDS:
                    continue
                with suppress(OSError, StopIteration):
                    self.samples.append(Sample(elapsed, role, _rss_bytes(pid)))

    def _pids(self) -> dict[str, list[int | None]]:
        stand = self._stand
        return {
            "worker": stand.worker_pids,
            "ClickHouse": [stand.clickhouse_pid],
            "Kafka": [kafka.pid for kafka in stand.kafka],
        }


def _rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def soak(stand: Stand, seconds: float, per_second: int, killer: Killer) -> Account | None:
    """Load and kills, then the account; None if the tables did not come to the end of the log."""
    touchpoint, begins = f"soak-{uuid4().hex}", log_ends(stand)
    # By time, not by number: a machine that can't publish so fast gets a soak of fewer events.
    with BulkLoad(stand.kafka_url, touchpoint, 1, per_second) as load:
        killer.run(seconds, load)
        load.end()
    if measured(stand, log_ends(stand), time.monotonic()) is None:
        return None
    found = account_of(stand, begins, touchpoint)
    assert found.events == load.published, f"{found.events} of {load.published} events stand in the log"
    return found


def _table(account: Account, kills: Counter[str], memory: Mapping[str, Sequence[float | None]]) -> str:
    killed = " and ".join(f"{times} of {role}" for role, times in kills.items()) or "none"
    lines = [
        "| events | lost | doubled | kills |",
        "|--:|--:|--:|---|",
        f"| {account.events:,} | {account.lost:,} | {account.doubled:,} | {killed} |",
        "",
        "| resident memory of one process, MB (median) | 1st quarter | 2nd | 3rd | 4th |",
        "|---|--:|--:|--:|--:|",
    ]
    for role, quarters in memory.items():
        lines.append(f"| {role} | {' | '.join('–' if one is None else f'{one:,.0f}' for one in quarters)} |")
    return "\n".join(lines)


def main() -> int:
    """One soak on a stand of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.soak", description="load and kills for a while")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=int, default=4_500, help="events a second")
    parser.add_argument("--kill-every", type=float, default=20, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of what is killed")
    options = parser.parse_args()
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # it is away: that is what is looked at
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory() as directory, running_stand(Path(directory), _LAYOUT) as stand:
        killer = Killer(stand, options.seed, options.kill_every)
        account = soak(stand, seconds, options.rate, killer)
    if account is None:
        print("the tables did not come to the end of the log", file=sys.stderr)
        return 1
    memory = by_quarter(killer.samples, seconds)
    print(_table(account, killer.kills, memory))
    for role in (more := grew(memory)):
        print(f"memory of {role} grew by more than a tenth from the second to the last quarter", file=sys.stderr)
    return 0 if account.events > 0 and account.lost == account.doubled == 0 and not more else 1


if __name__ == "__main__":
    sys.exit(main())
