"""python -m tests.bench.alerts: how often alerts are wrong and right, as a Markdown table and in build/bench.json."""

import argparse
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.alerts.report import HEAD
from tests.bench.alerts.rows_false import (
    dispersed,
    new_series,
    null_answers,
    null_counts,
    silent_feeds,
    wandering,
    whole_file,
)
from tests.bench.alerts.rows_true import cost, injected, lifecycle, silence, surveys
from tests.bench.alerts.scale import Scale

ROWS: Final = {
    "cost": cost,
    "null-counts": null_counts,
    "null-answers": null_answers,
    "wandering": wandering,
    "dispersed": dispersed,
    "new-series": new_series,
    "whole-file": whole_file,
    "silent-feeds": silent_feeds,
    "injected": injected,
    "surveys": surveys,
    "silence": silence,
    "lifecycle": lifecycle,
}
RESULT: Final = Path("build/bench.json")


def main() -> None:
    """Print each row as it is known. Exit code 1: a number is not held."""
    options = _options()
    scale = Scale(options.series, (options.history, options.weeks), options.seed)
    print(f"seed {scale.seed}, load average {os.getloadavg()[0]:.1f}\n\n{HEAD}", flush=True)
    held, seconds = True, {}
    for name in options.rows or ROWS:
        began = time.monotonic()
        rows = ROWS[name](scale)
        seconds[name] = round(time.monotonic() - began, 1)
        for row in rows:
            print(row.line(), flush=True)
        _write(name, {"rows": [row.document() for row in rows], "seconds": seconds[name]})
        held = held and all(row.holds for row in rows)
    print("\nseconds: " + ", ".join(f"{name} {taken}" for name, taken in seconds.items()))
    raise SystemExit(not held)


def _write(name: str, rows: dict[str, object]) -> None:
    known = msgspec.json.decode(RESULT.read_bytes()) if RESULT.exists() else {}
    known["alerts"] = {**known.get("alerts", {}), name: rows}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(known)) + b"\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.alerts", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all, or of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="60 series, and one week that is judged")
    parser.add_argument("--series", type=int, help="of each row (1,000; the file has three times as many)")
    parser.add_argument("--weeks", type=int, help="that are judged (4)")
    parser.add_argument("--history", type=int, default=4, help="weeks before them (4)")
    parser.add_argument("--seed", type=int, default=20261130)
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    options.series = options.series or (60 if options.quick else 1000)
    options.weeks = options.weeks or (1 if options.quick else 4)
    return options


if __name__ == "__main__":
    main()
