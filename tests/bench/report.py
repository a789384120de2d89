"""What the rounds say: a table for people, `build/bench.json` for programs."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench import ours
from tests.bench.run import Run
from tests.bench.usage import processor


def document(rounds: Sequence[Sequence[Run]], load_average: float) -> dict[str, Any]:
    """`ours`, `peers` (by name) and `ratios` (ours ÷ theirs in events a second): medians over the rounds."""
    names = [run.contestant for run in rounds[0]]
    by_name = {name: [run for runs in rounds for run in runs if run.contestant == name] for name in names}
    peers = [name for name in names if name != ours.NAME]
    return {
        "machine": {
            "processor": processor(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": load_average,
        },
        "rounds": len(rounds),
        "ours": _contestant(by_name[ours.NAME]),
        "peers": {name: _contestant(by_name[name]) for name in peers},
        # Within a round, for the machine is a little faster or slower in each.
        "ratios": {
            name: median(
                own.events_per_second / other.events_per_second
                for own, other in zip(by_name[ours.NAME], by_name[name], strict=True)
            )
            for name in peers
        },
    }


def _contestant(runs: Sequence[Run]) -> dict[str, Any]:
    millions = runs[0].events / 1e6
    return {
        "events": runs[0].events,
        "events_per_second": median(run.events_per_second for run in runs),
        "seconds": median(run.seconds for run in runs),
        "startup_seconds": median(run.startup_seconds for run in runs),
        "cpu_seconds_per_million_events": {
            process: median(run.cpu_seconds[process] for run in runs) / millions for process in runs[0].cpu_seconds
        },
        "rss_peak_bytes": max(run.rss_peak_bytes for run in runs),
        "touch_bytes": runs[0].touch_bytes,
        "inserts": median(run.inserts for run in runs),
        "rounds": [{"events_per_second": run.events_per_second, "load_average": run.load_average} for run in runs],
    }


def print_table(console: Console, report: Mapping[str, Any]) -> None:
    """A column for each contestant."""
    contestants = {ours.NAME: report["ours"], **report["peers"]}
    table = Table(
        title="Kafka to acknowledged rows in ClickHouse, medians", caption="librdkafka throws the events away"
    )
    table.add_column("")
    for name in contestants:
        table.add_column(name, justify="right")
    ratios = {name: f"{ratio:.2f}" for name, ratio in report["ratios"].items()}
    table.add_row("ours ÷ theirs, events/s", *(ratios.get(name, "") for name in contestants), style="bold")
    for name, shown in _LINES.items():
        table.add_row(name, *(shown(contestant) for contestant in contestants.values()))
    console.print(table)


def _cpu(process: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda contestant: f"{contestant['cpu_seconds_per_million_events'][process]:.1f}"


_LINES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "events": lambda one: f"{one['events']:,}",
    "events/s": lambda one: f"{one['events_per_second']:,.0f}",
    "each round": lambda one: "\n".join(f"{run['events_per_second']:,.0f}" for run in one["rounds"]),
    "load average before it": lambda one: "\n".join(f"{run['load_average']:.1f}" for run in one["rounds"]),
    "start-up, s": lambda one: f"{one['startup_seconds']:.1f}",
    "CPU s per million events": _cpu("contestant"),
    "  ClickHouse": _cpu("clickhouse"),
    "  broker": _cpu("broker"),
    "inserts": lambda one: f"{one['inserts']:,.0f}",
    "disk per touch, bytes": lambda one: f"{one['touch_bytes']:.0f}" if one["touch_bytes"] else "",
    "peak memory, MiB": lambda one: f"{one['rss_peak_bytes'] / 2**20:,.0f}",
}
