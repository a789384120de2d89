"""Published → visible: from the call that publishes an event to the first answer that counts it, on a running stack.

Beside simulated traffic, one event after another goes to a channel of its own. `metrics` is the exact metrics by the
query of `touchstream metrics`, asked again and again; `page` is what the page pushes to a browser, which shows its
five-minute window. Both looks cost ClickHouse something, and that is in the figures.
"""

import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from tests.support.stack import RunningStack, running_stack
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.streams.channels import Producer

PROBES: Final = 100
PROBES_QUICK: Final = 15
EVENTS_PER_SECOND: Final = 200
WORKERS: Final = 2
_CHANNEL: Final = "latency-probe"
_STAGE: Final = "support"
_LOOK_SECONDS: Final = 0.2  # a look costs ClickHouse 0.1 to 0.2 s
_SEEN_SECONDS_MAX: Final = 60.0
_MINUTES_BACK_MS: Final = 600_000
_SHOWN: Final = re.compile(
    rf'data-stage="{_STAGE}".*?data-metric="touches".*?<data class="value" value="(\d+)', re.DOTALL
)


class NotSeenError(RuntimeError):
    """An event that was published is not visible after a minute."""


@dataclass(frozen=True)
class Latencies:
    """Seconds of each probe."""

    metrics: tuple[float, ...]
    page: tuple[float, ...]
    load_average: float

    def document(self) -> dict[str, Any]:
        """As `build/bench.json` has it: seconds, p50 and p99."""
        return {
            "probes": len(self.metrics),
            "events_per_second": EVENTS_PER_SECOND,
            "load_average": self.load_average,
            **{f"{name}_seconds": _percentiles(getattr(self, name)) for name in ("metrics", "page")},
        }


def measure(directory: Path, probes: int) -> Latencies:
    """Start a stack with traffic, send probes, stop it. Raises NotSeenError."""
    with running_stack(directory, WORKERS) as stack, _traffic(stack):
        client = connect(stack.addresses["clickhouse"])
        with Producer(stack.addresses["kafka"]) as producer, _Page(stack.addresses["page"]) as page:
            published: list[float] = []
            seen = [_probe(client, producer, number, published) for number in range(1, probes + 1)]
            page.wait_for(probes)
            at_page = [page.seen_at[number] - published[number - 1] for number in range(1, probes + 1)]
            return Latencies(tuple(seen), tuple(at_page), os.getloadavg()[0])


def _probe(client: Client, producer: Producer, number: int, published: list[float]) -> float:
    """Publish the probe of that number; seconds until the metrics count it."""
    time.sleep(random.random())  # so that probes meet flushes and windows at any moment
    published.append(time.monotonic())
    producer.publish(customer_id=f"probe-{number}", channel=_CHANNEL, touchpoint="probe", stage=_STAGE)
    producer.flush()
    from_ms = (now_ms() - _MINUTES_BACK_MS) // 10_000 * 10_000
    while True:
        (row,) = metrics(client, from_ms, where={"channel": _CHANNEL})
        waited = time.monotonic() - published[-1]
        if row["touches"] >= number:
            return waited
        if waited > _SEEN_SECONDS_MAX:
            raise NotSeenError(f"probe {number} is not in the metrics after {waited:.0f} s")
        time.sleep(_LOOK_SECONDS)


class _Page:
    """A browser's stream of the page, and when it showed each probe first."""

    def __init__(self, url: str) -> None:
        self._url, self._stop, self.seen_at = url, threading.Event(), dict[int, float]()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Page":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def wait_for(self, probes: int) -> None:
        """Until the last probe is shown. Raises NotSeenError."""
        deadline = time.monotonic() + _SEEN_SECONDS_MAX
        while probes not in self.seen_at:
            if time.monotonic() > deadline:
                raise NotSeenError(f"the page shows {max(self.seen_at, default=0)} of {probes} probes")
            time.sleep(_LOOK_SECONDS)

    def _watch(self) -> None:
        board: list[str] = []
        query = {"window": "5m", "channel": _CHANNEL}
        with httpx.stream("GET", f"{self._url}/events", params=query, timeout=30) as answer:
            for line in answer.iter_lines():
                if self._stop.is_set():
                    return
                if line:
                    board.append(line)
                    continue
                found = _SHOWN.search("\n".join(board))
                board = []
                if found:
                    now = time.monotonic()
                    for number in range(int(found[1]), 0, -1):
                        if number in self.seen_at:
                            break
                        self.seen_at[number] = now


@contextmanager
def _traffic(stack: RunningStack) -> Iterator[None]:
    process = stack.start("simulate", "--rate", str(EVENTS_PER_SECOND))
    try:
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def print_latencies(console: Console, latencies: Latencies) -> None:
    """A line for each place."""
    table = Table(title="Published to visible, seconds", caption=f"{len(latencies.metrics)} probes")
    for column in ("", "p50", "p99"):
        table.add_column(column, justify="right")
    for name in ("metrics", "page"):
        percentiles = _percentiles(getattr(latencies, name))
        table.add_row(name, *(f"{percentiles[percent]:.2f}" for percent in ("p50", "p99")))
    console.print(table)


def _percentiles(seconds: tuple[float, ...]) -> dict[str, float]:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
