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
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.codec import WriterSchemas
from schemas.columns import decode_batch
from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import lanes
from streams.connection import KafkaConnection
from streams.measure.records import CONTROL_HEADER
from streams.topics import LogPosition, log_identity
from streams.waiting import Reached, behind
from tests.gateway_process import Log
from tests.kafka.account import Account, Logged, account, first_places
from tests.kafka.choice import APACHE
from tests.kafka.faults import ON_ANY_KAFKA, ON_APACHE_KAFKA, Fault
from tests.kafka.load import Load
from tests.stack import RunningStack, eventually, running_stack

TOPIC: Final = "touchpoints"
RECOVERED_SECONDS_MAX: Final = 15.0
GIVEN_UP_SECONDS: Final = 120.0
WORKERS: Final = 2
FAULTS: Final[dict[str, Fault]] = {**ON_ANY_KAFKA, **(ON_APACHE_KAFKA if APACHE else {})}


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


def run(stack: RunningStack, fault: str, percent: int, events: int, per_second: int) -> Outcome:
    """Publish, break something, wait until it is over, and take the account."""
    kafka_url = stack.addresses["kafka"]
    touchpoint = f"run-{uuid4().hex}"
    try:
        log = Log.from_now_on(kafka_url, TOPIC)
        with Load(kafka_url, touchpoint, events, per_second) as load:
            eventually(lambda: load.reaches(percent))
            if not load.running:
                return Outcome(fault, percent, None, None, "the load was over before the fault")
            ended = FAULTS[fault](stack)
            seconds = _measured(stack, _ends(kafka_url), ended)
            load.end()
        _measured(stack, _ends(kafka_url), time.monotonic())
        found = _account(stack, log, touchpoint)
    except Exception as error:  # whatever it was, the run proves nothing
        first = (str(error).strip() or type(error).__name__).partition("\n")[0]
        return Outcome(fault, percent, None, None, first[:200])
    if found.events != events:
        return Outcome(fault, percent, None, None, f"{found.events} of {events} events stand in the log")
    return Outcome(fault, percent, found, seconds)


def _ends(kafka_url: str) -> dict[int, LogPosition]:
    return log_identity(KafkaConnection.from_url(kafka_url), TOPIC)


def _measured(stack: RunningStack, ends: dict[int, LogPosition], since: float) -> float | None:
    """Seconds since then until the tables have all that is before these ends; None if it takes too long."""

    def there() -> bool:
        try:
            with closing(connect(stack.addresses["clickhouse"])) as client:
                reached = {row.partition: Reached(row.log_id, row.next_offset) for row in lanes(client, TOPIC)}
        except (ClickHouseError, OSError):
            return False
        return not behind(ends, reached)

    try:
        eventually(there, GIVEN_UP_SECONDS)
    except AssertionError:
        return None
    return time.monotonic() - since


def _account(stack: RunningStack, log: Log, touchpoint: str) -> Account:
    records = [record for record in log.records() if CONTROL_HEADER not in dict(record.headers)]
    frame, refused = decode_batch([record.value for record in records], WriterSchemas())
    assert refused == [], "the log holds what is no event"
    named = frame.select("position", "event_id", "touchpoint").iter_rows()
    expected = first_places(
        Logged(records[position].partition, records[position].offset, event_id)
        for position, event_id, name in named
        if name == touchpoint
    )
    client, named_so = connect(stack.addresses["clickhouse"]), {"touchpoint": touchpoint}
    raw = client.query(
        "SELECT partition, log_offset FROM touchpoints FINAL WHERE touchpoint = {touchpoint:String}", named_so
    ).result_rows
    panes = client.query(
        "SELECT resolution_s, partition, sum(touches) FROM stage_panes FINAL WHERE touchpoint = {touchpoint:String}"
        " GROUP BY ALL",
        named_so,
    ).result_rows
    touches: dict[int, dict[int, int]] = {10: {}, 300: {}, 3600: {}}
    for resolution_s, partition, total in panes:
        touches[resolution_s][partition] = total
    return account(expected, [(partition, offset) for partition, offset in raw], touches)


def main() -> int:
    """Every fault at every point, one after another on one stack."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.failures", description="faults under load")
    parser.add_argument(
        "--fault",
        action="append",
        choices=list(FAULTS),
        metavar="NAME",
        help="only this one; may be repeated: %(choices)s",
    )
    parser.add_argument("--at", type=int, nargs="+", default=[10, 50, 90], help="percent of the load")
    parser.add_argument("--events", type=int, default=20_000, help="of each run")
    parser.add_argument(
        "--within", type=float, default=RECOVERED_SECONDS_MAX, help="seconds to recover in, for a run to be green"
    )
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    options = parser.parse_args()
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # it is away: that is what is looked at
    outcomes = []
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory), WORKERS) as stack:
        for fault in options.fault or FAULTS:
            for percent in options.at:
                outcome = run(stack, fault, percent, options.events, options.rate)
                outcomes.append(replace(outcome, seconds_max=options.within))
                print(outcomes[-1].row(), file=sys.stderr, flush=True)
    print(HEADER, *(outcome.row() for outcome in outcomes), sep="\n")
    return verdict(outcomes)


if __name__ == "__main__":
    sys.exit(main())
