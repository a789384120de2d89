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


def document(
    rounds: Sequence[Sequence[Run]], broker: str, load_average: float, missing: Mapping[str, str]
) -> dict[str, Any]:
    """`ours`, `peers` (by name) and `ratios` (ours ÷ theirs in events a second): medians over the rounds.

    missing: by name why a peer did not run.
    """
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
        "kafka": broker,
        "missing": dict(missing),
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
    """A row for each contestant."""
    contestants = {ours.NAME: report["ours"], **report["peers"]}
    loads = [run["load_average"] for contestant in contestants.values() for run in contestant["rounds"]]
    table = Table(
        title=f"Kafka to rows in ClickHouse, on {report['kafka']}; medians of {report['rounds']}",
        caption=f"load average {min(loads):.1f} to {max(loads):.1f}; librdkafka throws the events away;"
        " only ours writes raw events, and panes of three resolutions",
        box=None,
    )
    table.add_column("", no_wrap=True)
    for name in ("ours ÷\ntheirs", *_COLUMNS):
        table.add_column(name, justify="right", vertical="bottom")
    for name, contestant in contestants.items():
        ratio = report["ratios"].get(name)
        cells = (shown(contestant) for shown in _COLUMNS.values())
        table.add_row(name, "" if ratio is None else f"{ratio:.2f}", *cells)
    console.print(table)
    for name, reason in report["missing"].items():
        console.print(f"{name} did not run: {reason}", highlight=False)


def _cpu(process: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda contestant: f"{contestant['cpu_seconds_per_million_events'][process]:.1f}"


_COLUMNS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "\nevents": lambda one: f"{one['events']:,}",
    "events\n/s": lambda one: f"{one['events_per_second']:,.0f}",
    "CPU s\n/million": _cpu("contestant"),
    "Click-\nHouse": _cpu("clickhouse"),
    "\nbroker": _cpu("broker"),
    "peak\nMiB": lambda one: f"{one['rss_peak_bytes'] / 2**20:,.0f}",
}
