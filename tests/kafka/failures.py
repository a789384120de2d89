"""Failure runs on a stack of real processes: each fault at 10, 50 and 90 % of a load, and an account of each run.

    TEST_KAFKA=apache python -m tests.kafka.failures
    TEST_KAFKA=apache python -m tests.kafka.failures --fault "first worker killed" --at 50 --events 5000

Prints a table; exits with 1 unless every run lost nothing, doubled nothing and recovered in time. A run whose fault or
load failed is inconclusive, which is not green.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.kafka.account import Account
from tests.kafka.books import account_of, log_ends
from tests.kafka.load import Load
from tests.kafka.scenarios import SCENARIOS
from tests.kafka.stand import TOPIC, DidNotTakeError, Layout, Stand, running_stand
from tests.support.stack import eventually
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.streams.broker.progress import behind, reached
from touchstream.streams.broker.topics import LogPosition

RECOVERED_SECONDS_MAX: Final = 15.0
GIVEN_UP_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Outcome:
    """One run. `seconds`: from the fault's end until all that stood in the log by then was in the tables; None: never.

    `inconclusive` says why a run proves nothing; it has no account then.
    """

    fault: str
    percent: int
    account: Account | None
    seconds: float | None
    inconclusive: str | None = None
    seconds_max: float = RECOVERED_SECONDS_MAX

    @property
    def green(self) -> bool:
        """Whether it is proven that nothing was lost or doubled, and that it went on in time."""
        if self.inconclusive is not None or self.account is None or self.seconds is None:
            return False
        right = self.account.events > 0 and self.account.lost == self.account.doubled == 0
        return right and self.seconds <= self.seconds_max

    def row(self) -> str:
        """As a line of the table."""
        told = self.account
        figures = ("–", "–", "–") if told is None else (f"{told.events:,}", f"{told.lost:,}", f"{told.doubled:,}")
        seconds = "–" if self.seconds is None else f"{self.seconds:.1f}"
        said = "ok" if self.green else f"inconclusive: {self.inconclusive}" if self.inconclusive else "FAILED"
        return f"| {self.fault} at {self.percent} % | {' | '.join(figures)} | {seconds} | {said} |"


HEADER: Final = "| scenario | events | lost | doubled | seconds to recover | |\n|---|--:|--:|--:|--:|---|"


def verdict(outcomes: Sequence[Outcome]) -> int:
    """The exit code: 0 only if there were runs and each of them is green."""
    return 0 if outcomes and all(outcome.green for outcome in outcomes) else 1


def run(stand: Stand, fault: str, percent: int, events: int, per_second: int) -> Outcome:
    """Publish, break something, wait until it is over, and take the account.

    Raises DidNotTakeError where the stand can't be mended for another run.
    """
    touchpoint, scenario = f"run-{uuid4().hex}", SCENARIOS[fault]
    try:
        eventually(lambda: stand.whole)
        begins = log_ends(stand)
        with Load(stand.kafka_url, touchpoint, events, per_second) as load:
            eventually(lambda: load.reaches(percent))
            ended = scenario.break_it(stand)
            seconds = measured(stand, log_ends(stand), ended)
            load.end()
        measured(stand, log_ends(stand), time.monotonic())
        found = account_of(stand, begins, touchpoint)
    except Exception as error:  # whatever it was, the run proves nothing
        first = (str(error).strip() or type(error).__name__).partition("\n")[0]
        return Outcome(fault, percent, None, None, first[:200])
    finally:
        scenario.mend(stand)
    if found.events != load.published:
        return Outcome(fault, percent, None, None, f"{found.events} of {load.published} events stand in the log")
    return Outcome(fault, percent, found, seconds)


def measured(stand: Stand, ends: dict[int, LogPosition], since: float) -> float | None:
    """Seconds since then until the tables have all that is before these ends; None if it takes too long."""

    def there() -> bool:
        try:
            with closing(connect(stand.clickhouse_url)) as client:
                return not behind(ends, reached(lanes(client, TOPIC)))
        except (ClickHouseError, OSError):
            return False

    try:
        eventually(there, GIVEN_UP_SECONDS)
    except AssertionError:
        return None
    return time.monotonic() - since


def _runs(names: Sequence[str], at: Sequence[int], events: int, per_second: int) -> Iterator[Outcome]:
    """One after another, those of the same layout on the same stand."""
    by_layout: dict[Layout, list[str]] = {}
    for name in names:
        by_layout.setdefault(SCENARIOS[name].layout, []).append(name)
    for layout, alike in by_layout.items():
        runs = [(name, percent) for name in alike for percent in at]
        try:
            with tempfile.TemporaryDirectory() as directory, running_stand(Path(directory), layout) as stand:
                while runs:
                    yield run(stand, *runs[0], events, per_second)
                    runs.pop(0)
        except DidNotTakeError as error:
            yield from (Outcome(name, percent, None, None, str(error)) for name, percent in runs)


def main() -> int:
    """Every fault at every point."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.failures", description="faults under load")
    parser.add_argument(
        "--fault",
        action="append",
        choices=list(SCENARIOS),
        metavar="NAME",
        help="only this one; may be repeated: %(choices)s",
    )
    parser.add_argument("--at", type=int, nargs="+", default=[10, 50, 90], help="percent of the load")
    parser.add_argument(
        "--events", type=int, default=20_000, help="of each run, at least: the load goes on until the fault is over"
    )
    parser.add_argument(
        "--within", type=float, default=RECOVERED_SECONDS_MAX, help="seconds to recover in, for a run to be green"
    )
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    options = parser.parse_args()
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # it is away: that is what is looked at
    outcomes = []
    for outcome in _runs(options.fault or list(SCENARIOS), options.at, options.events, options.rate):
        outcomes.append(replace(outcome, seconds_max=options.within))
        print(outcomes[-1].row(), file=sys.stderr, flush=True)
    print(HEADER, *(outcome.row() for outcome in outcomes), sep="\n")
    return verdict(outcomes)


if __name__ == "__main__":
    sys.exit(main())
